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
  seen, before = [], None
  while part := listed(page, want=4, before=before)['points']:
    seen += [x['id'] for x in part]
    before = part[-1]['seq']
  assert seen == ids(page)


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
