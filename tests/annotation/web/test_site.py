import asyncio
import contextlib
import dataclasses
import io
import sqlite3

import numpy as np
import pages
import pytest
from PIL import Image

from pointsup_jax.annotation import store as store_lib
from pointsup_jax.types import IGNORE


def answers(path):
  with contextlib.closing(sqlite3.connect(path)) as database:
    return database.execute(
      'SELECT request_id, answer, label, annotator, seconds, active_seconds,'
      ' mode FROM answers ORDER BY seq'
    ).fetchall()


def test_an_answer_is_in_the_file_before_the_reply(page, path):
  (point, *_) = page.points()
  reply = page.answer(point, label=2, mode='confirm')
  assert reply.status_code == 200
  assert answers(path) == [(point, 'label', 2, 'ana', 2.5, 1.5, 'confirm')]
  assert reply.json()['progress'] == {'needed': 12, 'given': 1}
  assert point not in [x['id'] for x in reply.json()['points']]


def test_a_plain_copy_is_complete_once_nobody_asks(site, page, path, tmp_path):
  page.answer(page.points()[0])
  for _ in range(2):  # since the last look
    asyncio.run(site.store_thread.tend())
  copy = tmp_path / 'copy.sqlite'
  copy.write_bytes(path.read_bytes())
  assert answers(copy) == answers(path) != []


def test_points_come_in_the_order_of_the_store(page, path):
  with store_lib.Store(path) as store:
    expected = [request.id for request in store.unanswered()]
  assert page.points(want=12) == expected


def test_a_point_says_all_that_the_page_draws(page):
  reply = page.post('points', window='w1', want=5).json()
  assert reply['points'][4] == {
    'id': 'town/000-r4-c8',
    'image': 0,
    'name': 'town/000',
    'size': [16, 32],
    'row': 4,
    'col': 8,
    'box': [0, 8, 8, 16],
    'guess': 1,
  }


def test_an_images_points_come_with_ones_own_answers_alone(site):
  ana, ben = (pages.Page(site, x) for x in ('ana', 'ben'))
  first, second, third = ana.points()
  ana.answer(first, label=2)
  ana.answer(second, answer='unsure', label=None)
  ana.answer(third)
  ana.answer(third, answer='undo', label=None)
  found = ana.post('beside', image=0).json()['points']
  assert found[:3] == [
    {'id': one, 'row': row, 'col': col, 'answer': answer, 'label': label}
    | {'comment': ''}
    for one, row, col, answer, label in (
      (first, 0, 0, 'label', 2),
      (second, 1, 2, 'unsure', None),
      (third, 2, 4, None, None),
    )
  ]
  others = ben.post('beside', image=0).json()['points']
  assert [x['id'] for x in others] == [x['id'] for x in found]
  assert len(others) == 6
  assert {x['answer'] for x in others} == {None}


@pytest.mark.parametrize('image', [-1, 2, 10**9, 1.0, '0', None, True])
def test_an_image_that_is_none_has_no_points(page, image):
  assert page.post('beside', image=image).status_code == 422


def test_classes_have_the_keys_that_their_file_gives(site):
  classes = dataclasses.replace(
    site.classes, keys={'car': 'x'}, guide={'sky': 'clouds too'}
  )
  site = dataclasses.replace(site, classes=classes)
  session = pages.Page(site).client.get('/api/session').json()
  assert [x['key'] for x in session['classes']] == ['1', 'x', '2']
  assert [x['guide'] for x in session['classes']] == ['', '', 'clouds too']


def test_where_no_patches_are_asked_none_is_outlined(path):
  with pages.open_site(path) as site:
    whole = pages.Page(dataclasses.replace(site, grid=(1, 1)))
    reply = whole.post('points', window='w1', want=5).json()
  assert reply['points'][4]['box'] is None


def test_an_image_comes_without_loss(page):
  reply = page.client.get('/image/1')
  assert reply.headers['content-type'] == 'image/png'
  image = np.asarray(Image.open(io.BytesIO(reply.content)))
  np.testing.assert_array_equal(image, pages.Images()[1].image)


def test_everything_else_than_a_label_is_recorded_as_such(page, path):
  one, two, three = page.points()
  page.answer(one, answer='unsure', label=None)
  page.answer(two, answer='skip', label=None)
  page.answer(three, label=IGNORE)
  page.answer(one, answer='undo', label=None)
  assert [row[:3] for row in answers(path)] == [
    (one, 'unsure', None),
    (two, 'skip', None),
    (three, 'label', IGNORE),
    (one, 'undo', None),
  ]


def test_what_was_taken_back_is_asked_again_and_leaves_the_history(page):
  one, two, _ = page.points()
  page.answer(one)
  reply = page.answer(two, label=2).json()
  history = [(x['id'], x['label']) for x in reply['history']]
  assert history == [(two, 2), (one, 1)]
  reply = page.answer(two, answer='undo', label=None).json()
  assert [x['id'] for x in reply['history']] == [one]
  assert reply['points'][0]['id'] == two
  assert reply['progress']['given'] == 1


def test_an_answer_sent_twice_counts_once(page, path):
  (point, *_) = page.points()
  body = page.body(point)
  for _ in range(2):
    reply = page.post('answer', **body)
    assert reply.status_code == 200
    assert reply.json()['progress']['given'] == 1
  assert len(answers(path)) == 1


def test_all_is_there_after_the_server_was_started_again(path):
  with pages.open_site(path) as site:
    page = pages.Page(site)
    one, two, three = page.points()
    page.answer(one)
  with pages.open_site(path) as site:
    page = pages.Page(site)
    assert page.points()[:2] == [two, three]
    assert page.answer(two).json()['progress']['given'] == 2


def test_the_end_is_said(page):
  for _ in range(12):
    (point,) = page.points(want=1)
    reply = page.answer(point)
  assert reply.json()['complete']
  assert reply.json()['points'] == []


def test_whoever_still_looks_keeps_the_page_up(site, page):
  def over():
    return asyncio.run(site.store_thread.tend())

  for _ in range(12):
    page.answer(page.points(want=1)[0])
  assert not over()  # somebody has just asked
  assert over()
  page.post('review', want=1, share=1.0, whose='')
  assert not over()
  assert over()


def test_a_second_window_takes_over(site):
  first = pages.Page(site, window='w1')
  (point, *_) = first.points()
  second = pages.Page(site, window='w2')
  assert second.points()[0] == point
  assert first.answer(point).json() == {'error': 'window'}
  assert second.answer(point).status_code == 200


def test_the_name_is_kept_by_the_browser_and_nobody_can_take_anothers(site):
  page = pages.Page(site, name='ana')
  session = page.client.get('/api/session').json()
  assert session['annotator'] == 'ana'
  assert [x['key'] for x in session['classes']] == ['1', '2', '3']
  cookies = page.client.cookies
  cookie = f'points-name-{pages.PORT}'
  assert site.access.token not in cookies[cookie]
  forged = cookies[cookie].strip('"').replace('ana:', 'ben:')
  cookies.clear()
  assert page.client.get('/api/session').status_code == 403
  page.client.get(f'/?token={site.access.token}')
  cookies.set(cookie, forged)
  assert page.client.get('/api/session').json()['annotator'] is None


def test_the_plan_is_told_at_the_pace_of_who_asks(tmp_path):
  path = tmp_path / 'new.sqlite'
  pages.fill(path, images=20)
  with pages.open_site(path, images=20) as site:
    ana, ben, nobody = (pages.Page(site, x) for x in ('ana', 'ben', None))
    for _ in range(30):
      (point,) = ana.points(want=1)
      ana.answer(point)
    plan, bens, nobodys = (
      x.client.get('/api/plan') for x in (ana, ben, nobody)
    )
  assert bens.json()['pace']['annotator'] is None
  assert nobodys.status_code == 200
  plan = plan.json()
  assert (plan['points'], plan['needed'], plan['given']) == (120, 120, 30)
  assert plan['pace'] == {'seconds': 1.5, 'answers': 30, 'annotator': 'ana'}
  assert plan['hours'] == pytest.approx(90 * 1.5 / 3600)
  assert plan['now'] == 2  # of 10, 25 and 50 percent
  assert plan['rows'][2] == {
    'percent': 50,
    'points': 60,
    'answers': 60,
    'images': 10,
    'patches': 20,
    'worth': pytest.approx(0.5),
    'left': 30,
    'hours': pytest.approx(30 * 1.5 / 3600),
  }


def test_disputes_are_told_and_settled(tmp_path):
  path = tmp_path / 'new.sqlite'
  pages.fill(path, images=1)
  with pages.open_site(path, overlap=1.0, images=1) as site:
    ana, ben, eva = (pages.Page(site, name) for name in ('ana', 'ben', 'eva'))
    first, *rest = points = ana.points(want=6)
    assert ben.points(want=6) == points
    assert eva.points(want=6) == []
    for page, label in ((ana, 1), (ben, 2)):
      page.answer(first, label=label)
      for point in rest:
        page.answer(point, label=0)
    found = eva.client.get('/api/agreement').json()
    (dispute,) = eva.post('disputes', want=9).json()['points']
    eva.answer(first, label=1, mode='adjudicate')
    assert eva.post('disputes', want=9).json()['points'] == []
  assert dispute['said'] == {'ana': 1, 'ben': 2}
  assert found['disputed'] == 1
  (pair,) = found['pairs']
  assert pair['annotators'] == ['ana', 'ben']
  assert (pair['points'], pair['same']) == (6, 5)
  # By hand: 5/6 agree, 5/6 * 5/6 by chance.
  assert pair['kappa'] == pytest.approx((5 / 6 - 25 / 36) / (1 - 25 / 36))
  with store_lib.Store(path) as store:
    assert store.answered('town/000').labels.tolist() == [1, 0, 0, 0, 0, 0]


def test_a_comment_is_recorded_beside_the_answers(page, path):
  one, two, _ = page.points()
  page.answer(one)
  body = {'point': one, 'key': 'k', 'window': 'w1', 'want': 3}
  for text in ('glass', 'glass'):  # sent twice
    reply = page.post('comment', text=text, **body)
    assert reply.status_code == 200
  assert [x['id'] for x in reply.json()['history']] == [one]
  reply = page.post('comment', text='dark', **body | {'point': two, 'key': 'l'})
  assert two in [x['id'] for x in reply.json()['points']]
  found = page.post('beside', image=0).json()['points']
  assert [x['comment'] for x in found] == ['glass', 'dark', '', '', '', '']
  every = {'label': None, 'image': '', 'before': None, 'want': 9}
  listed = page.post('answers', which='commented', **every).json()['points']
  assert [(x['id'], x['comment']) for x in listed] == [(one, 'glass')]
  assert len(answers(path)) == 1
