"""Jumps to an image, and the images to which one can jump."""

import time as real_time

import people
import pytest
from people import hand_out, record

from pointsup_jax.annotation import queue as queue_lib
from pointsup_jax.annotation import records
from pointsup_jax.annotation import store as store_lib


@pytest.fixture
def store(store):
  people.two_images(store)
  return store


@pytest.fixture
def queue(store):
  return queue_lib.Queue(store)


def points_of(queue, image):
  return [request.id for request, _ in queue.in_image(image, '')]


def test_after_a_jump_an_image_comes_first_and_then_the_usual_order(queue):
  usual = hand_out(queue, 'ana', 40)
  record(queue, 'ana', usual[0])
  queue.jump('ana', 'dull')
  dull = points_of(queue, 'dull')
  assert hand_out(queue, 'ana', 40) == dull + usual[1:20]
  for point in dull:
    assert hand_out(queue, 'ana', 1) == [point]
    record(queue, 'ana', point)
  assert hand_out(queue, 'ana', 40) == usual[1:20]
  assert queue.progress().given == 21


def test_a_jump_takes_nothing_from_others_and_frees_what_was_in_hand(queue):
  mine = hand_out(queue, 'ana', 5)
  dull = points_of(queue, 'dull')
  queue.jump('ben', 'dull')
  theirs = hand_out(queue, 'ben', 5)
  assert theirs == dull[:5]
  queue.jump('ana', 'dull')
  assert hand_out(queue, 'ana', 5) == dull[5:10]
  assert hand_out(queue, 'eva', 5) == mine
  record(queue, 'ana', mine[0], label=7)  # was on the screen: it is a fact
  assert [x.label for x in queue.said(mine[0])] == [7]


def test_what_is_skipped_after_a_jump_is_not_asked_again_at_once(queue):
  for point in points_of(queue, 'dull')[1:]:
    record(queue, 'ben', point)
  (last,) = hand_out(queue, 'ana', 40)[20:]
  record(queue, 'ana', last, 'skip')
  queue.jump('ana', 'dull')
  assert hand_out(queue, 'ana', 1) == [last]  # is why one went there
  record(queue, 'ana', last, 'skip')
  assert hand_out(queue, 'ana', 40) == [*points_of(queue, 'rich'), last]


def test_what_is_undone_after_a_jump_is_asked_at_once(queue):
  queue.jump('ana', 'dull')
  one, two, *rest = hand_out(queue, 'ana', 20)
  record(queue, 'ana', one)
  record(queue, 'ana', two, 'skip')
  assert hand_out(queue, 'ana', 20)[:18] == rest
  record(queue, 'ana', two, 'undo')
  assert hand_out(queue, 'ana', 20)[:19] == [two, *rest]
  record(queue, 'ana', one, 'undo')
  assert hand_out(queue, 'ana', 20) == [one, two, *rest]


def test_a_jump_outlives_what_others_write(queue, store):
  queue.jump('ana', 'dull')
  one, two, *_ = points_of(queue, 'dull')
  with store_lib.Store(store.path) as other:
    other.record([records.Entry(one, 'label', 4, 'eva', None)])
  assert hand_out(queue, 'ana', 1) == [two]


def test_a_shared_question_is_asked_once_of_each_who_jump_to_it(store):
  queue = queue_lib.Queue(store, overlap=1.0)
  dull = points_of(queue, 'dull')
  for who, expected in (('ana', dull), ('ben', dull), ('eva', [])):
    queue.jump(who, 'dull')
    found = [x for x in hand_out(queue, who, 20) if x in dull]
    assert found == expected
  record(queue, 'ana', dull[0])
  record(queue, 'ben', dull[0])
  for who in ('ana', 'ben', 'eva'):
    queue.jump(who, 'dull')
    assert dull[0] not in hand_out(queue, who, 40)


def test_nobody_jumps_to_an_image_without_points(queue):
  with pytest.raises(ValueError, match="no image 'dul'"):
    queue.jump('ana', 'dul')
  assert hand_out(queue, 'ana', 1) == points_of(queue, 'rich')[:1]


def images(queue, who, wanted, count=9):
  return queue.images(who, wanted, count)


def test_images_are_found_by_name_and_number_with_their_open_points(queue):
  assert images(queue, 'ana', '') == (2, [('rich', 1, 20), ('dull', 2, 20)])
  assert images(queue, 'ana', ' ICH') == (1, [('rich', 1, 20)])
  assert images(queue, 'ana', '2') == (1, [('dull', 2, 20)])
  assert images(queue, 'ana', '0') == (0, [])
  assert images(queue, 'ana', '', 1) == (2, [('rich', 1, 20)])
  mine = hand_out(queue, 'ana', 5)
  record(queue, 'ana', mine[0])
  record(queue, 'ana', mine[1], 'skip')
  assert images(queue, 'ana', 'rich')[1][0].open == 19
  assert images(queue, 'ben', 'rich')[1][0].open == 16  # the skipped one too
  for point in points_of(queue, 'rich'):
    record(queue, 'eva', point)
  assert images(queue, 'ana', '')[1] == [('dull', 2, 20), ('rich', 1, 0)]
  # Of a number, the image is meant: it stays where it is looked for.
  assert images(queue, 'ana', '1')[1] == [('rich', 1, 0)]


def test_thousands_of_images_are_searched_at_once(store):
  with store_lib.Store(store.path) as other:
    for i in range(3000):
      other.add_image(f'a/{i:04}', (8, 32), 0.5, [])
    other.ask([people.request(f'a/{i:04}', 0, 0) for i in range(3000)])
  queue = queue_lib.Queue(store)
  began = real_time.process_time()
  found, first = images(queue, 'ana', '12', 5)
  assert real_time.process_time() - began < 0.1
  assert first[0].number == 12
  assert found == 1 + sum('12' in f'{i:04}' for i in range(3000))
  assert len(first) == 5


def test_answers_show_a_class_agreed_ones_first(queue, store):
  rich, dull = (points_of(queue, x) for x in ('rich', 'dull'))
  for point in rich[:4]:
    record(queue, 'ana', point)
  record(queue, 'ben', rich[1])
  record(queue, 'ben', rich[2], label=5)  # disputed
  record(queue, 'ben', rich[3], 'unsure')
  record(queue, 'ana', dull[0], 'unsure')
  record(queue, 'ana', dull[1], label=255)
  record(queue, 'ana', dull[2], label=9)
  expected = {4: [(rich[1], True), (rich[0], False)], 9: [(dull[2], False)]}
  assert queue.exemplars(6) == expected
  assert queue.exemplars(1) == {k: v[:1] for k, v in expected.items()}
  # Who is still to answer a point does not see what others said there.
  twice = queue_lib.Queue(store, overlap=1.0)
  assert twice.exemplars(6) == {4: [(rich[1], True)]}
