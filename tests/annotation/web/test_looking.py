"""What the page tells of answers: lists, agreement, plan."""

import pages
import pytest

from pointsup_jax.annotation import store as store_lib
from pointsup_jax.types import IGNORE

ALL = {'which': 'all', 'label': None, 'image': '', 'before': None, 'want': 50}


def listed(page, **filters):
  reply = page.post('answers', **ALL | filters)
  assert reply.status_code == 200, reply.text
  return reply.json()


def ids(page, **filters):
  return [x['id'] for x in listed(page, **filters)['points']]


@pytest.fixture
def points(page):
  """Answered: car, sky, unsure, void and skipped; the last in image 1."""
  points = [x.id for x in requests(page)]
  page.answer(points[0], label=1)
  page.answer(points[1], label=2)
  page.answer(points[2], answer='unsure', label=None)
  page.answer(points[3], label=IGNORE)
  page.answer(points[4], answer='skip', label=None)
  page.answer(points[6], label=1)
  return points


def requests(page):
  with store_lib.Store(page.path) as store:
    return store.ordered()


@pytest.fixture
def page(site, path):
  page = pages.Page(site)
  page.path = path
  return page


def test_all_own_answers_are_listed_the_latest_first(page, points, site):
  pages.Page(site, 'ben').answer(points[7])
  found = listed(page)
  order = [points[i] for i in (6, 4, 3, 2, 1, 0)]
  assert [x['id'] for x in found['points']] == order
  assert found['found'] == 6
  first = found['points'][0]
  assert (first['answer'], first['label'], first['image']) == ('label', 1, 1)


def test_lists_are_filtered_by_class_kind_and_image(page, points):
  assert ids(page, label=1) == [points[6], points[0]]
  assert ids(page, which='unsure') == [points[2]]
  assert ids(page, which='void') == [points[3]]
  assert ids(page, which='skip') == [points[4]]
  assert ids(page, image='TOWN/001') == [points[6]]
  assert ids(page, image='town/001', label=2) == []


def test_a_long_list_comes_in_parts(page, points):
  first = listed(page, want=4)['points']
  rest = listed(page, want=4, before=first[-1]['seq'])
  assert [x['id'] for x in (*first, *rest['points'])] == ids(page)
  assert (len(first), rest['found']) == (4, 6)


def test_a_corrected_answer_replaces_the_old_one_which_stays_recorded(
  page, points, path
):
  page.answer(points[0], label=0)
  first, *rest = listed(page)['points']
  assert (first['id'], first['label']) == (points[0], 0)
  assert points[0] not in [x['id'] for x in rest]
  with store_lib.Store(path) as store:
    rows = store.database.query(
      'SELECT label FROM answers WHERE request_id = ? ORDER BY seq', points[0]
    )
  assert rows == [(1,), (0,)]


@pytest.mark.parametrize(
  ('field', 'value'),
  [
    ('which', 'everything'),
    ('which', None),
    ('label', 256),
    ('label', -1),
    ('label', True),
    ('label', '1'),
    ('image', None),
    ('image', 'x' * 1001),
    ('before', -1),
    ('before', 2**60),
    ('want', 51),
  ],
)
def test_impossible_filters_are_refused(page, field, value):
  assert page.post('answers', **ALL | {field: value}).status_code == 422


def review(page, **fields):
  body = {'want': 50, 'share': 1.0, 'whose': ''} | fields
  reply = page.post('review', **body)
  assert reply.status_code == 200, reply.text
  return reply.json()


def test_a_second_look_is_an_answer_and_so_agreement(page, points, site, path):
  ben = pages.Page(site, 'ben')
  ben.post(
    'comment', point=points[0], text='dark', key='c', window='w1', want=0
  )
  found = review(ben)
  order = [points[i] for i in (0, 1, 2, 3, 6)]  # not what was skipped
  assert [x['id'] for x in found['points']] == order
  assert found['found'] == 5
  assert [x['said']['ana'] for x in found['points']] == [1, 2, None, IGNORE, 1]
  assert found['points'][0]['comments'] == {'ben': 'dark'}
  assert review(page)['found'] == 0  # none of one's own
  ben.answer(points[0], label=1, mode='confirm')  # accepted
  ben.answer(points[1], label=0, mode='confirm')  # corrected
  assert review(ben, want=0) == {'found': 3, 'points': []}
  told = page.client.get('/api/agreement').json()
  assert [(x['points'], x['same']) for x in told['pairs']] == [(2, 1)]
  assert told['disputed'] == 1
  ana, bens = told['people']
  assert (ana['annotator'], ana['answers'], ana['unsure']) == ('ana', 5, 1)
  assert (ana['shared'], ana['same'], ana['median']) == (2, 1, 1.5)
  assert (bens['answers'], bens['shared'], bens['same']) == (2, 2, 1)
  with store_lib.Store(path) as store:  # the correction holds
    assert store.answered('town/000').labels.tolist() == [1, 0, IGNORE, IGNORE]


def test_a_share_of_somebodys_answers_is_reviewed(tmp_path):
  path = tmp_path / 'many.sqlite'
  pages.fill(path, images=40, per_image=10)
  with store_lib.Store(path) as store:
    every = [x.id for x in store.requests()]
    store.answer_many(dict.fromkeys(every[:300], 1), 'ana')
    store.answer_many(dict.fromkeys(every[300:], 1), 'eva')
  with pages.open_site(path, images=40) as site:
    ben, cyd = pages.Page(site, 'ben'), pages.Page(site, 'cyd')
    tenth = review(ben, share=0.1)
    assert 20 <= tenth['found'] <= 60
    assert review(cyd, share=0.1) == tenth  # the same for everybody
    assert review(ben, share=0.0)['found'] == 0
    assert review(ben, whose='eva')['found'] == 100
    assert review(ben, whose='nobody')['found'] == 0


@pytest.mark.parametrize(
  ('field', 'value'),
  [('share', 1.1), ('share', '1'), ('share', None), ('whose', None),
   ('whose', ['ana']), ('whose', 'x' * 1001), ('want', 51)],
)  # fmt: skip
def test_impossible_reviews_are_refused(page, field, value):
  body = {'want': 1, 'share': 1.0, 'whose': ''} | {field: value}
  assert page.post('review', **body).status_code == 422


def test_answers_are_downloaded_as_exchange_writes_them(page, points, site):
  body = {'point': points[0], 'key': 'c', 'window': 'w1', 'want': 0}
  page.post('comment', text='glass', **body)
  reply = page.client.get('/export/answers.csv')
  assert reply.headers['content-type'].startswith('text/csv')
  given = reply.headers['content-disposition']
  assert given == 'attachment; filename="answers.csv"'
  header, first, *rest = reply.text.splitlines()
  assert header == 'id,label,annotator,seconds,requests,comment,comment_by'
  assert first.startswith(f'{points[0]},car,ana,2.5,')
  assert first.endswith(',glass,ana')
  assert len(rest) == 4  # what was skipped is open
  tasks = page.client.get('/export/answers.json').json()
  assert [len(x['predictions'][0]['result']) for x in tasks] == [4, 1]
