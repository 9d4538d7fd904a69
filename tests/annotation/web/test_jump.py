"""The way to an image that somebody chooses."""

import json

import pages
import pytest

from pointsup_jax.annotation import store as store_lib


@pytest.fixture
def order(path):
  with store_lib.Store(path) as store:
    return [request.id for request in store.ordered()]


def jump(page, image, want=20):
  return page.post('jump', image=image, window=page.window, want=want)


def ids(reply):
  assert reply.status_code == 200, reply.text
  return [point['id'] for point in reply.json()['points']]


def images(page, find='', want=9):
  reply = page.post('images', find=find, want=want)
  assert reply.status_code == 200, reply.text
  return reply.json()


def test_an_images_questions_come_next_and_then_the_others(page, order):
  page.points()
  assert ids(jump(page, 'town/001')) == order[6:] + order[:6]
  for point in order[6:]:
    assert page.points(want=1) == [point]
    assert page.answer(point).status_code == 200
  assert page.points(want=20) == order[:6]


def test_images_are_found_with_what_is_open_for_who_asks(site, page, order):
  ben = pages.Page(site, 'ben')
  page.answer(order[0])
  page.points(want=3)
  ben.points(want=3)
  assert images(page) == {
    'found': 2,
    'images': [
      {'image': 'town/000', 'number': 1, 'open': 3},
      {'image': 'town/001', 'number': 2, 'open': 5},
    ],
  }
  assert [x['open'] for x in images(ben)['images']] == [2, 6]
  assert [x['image'] for x in images(page, 'N/001')['images']] == ['town/001']
  assert [x['number'] for x in images(page, '2')['images']] == [2]
  assert images(page, 'village') == {'found': 0, 'images': []}
  found = images(page, want=1)
  assert (found['found'], len(found['images'])) == (2, 1)


def test_another_window_of_the_same_name_does_not_jump(site, page, order):
  page.points()
  other = pages.Page(site, window='w2')
  assert jump(other, 'town/001').status_code == 409
  assert page.points(want=1) == order[:1]


@pytest.mark.usefixtures('unchanged')
@pytest.mark.parametrize(
  'image',
  # None is an image of this run: neither its file nor a part of its name.
  ['', 'town', 'town/002', '../town/000', '../../etc/passwd', 'town/000.png',
   'TOWN/000', 'a\x00b', '\ud800', 'x' * 2000, "'; DROP TABLE answers; --", 0,
   None, ['town/000'], {'$ne': 1}],
  ids=lambda x: repr(x)[:20],
)  # fmt: skip
def test_only_the_name_of_an_image_leads_to_it(page, image):
  body = {'image': image, 'window': 'w1', 'want': 3}
  reply = page.client.post(
    '/api/jump',
    content=json.dumps(body),
    headers={'content-type': 'application/json'},
  )
  assert reply.status_code == 422


@pytest.mark.parametrize(
  ('field', 'value'),
  [('find', None), ('find', 7), ('find', 'x' * 1001), ('want', 51)],
)
def test_impossible_searches_are_refused(page, field, value):
  body = {'find': '', 'want': 3} | {field: value}
  assert page.post('images', **body).status_code == 422
