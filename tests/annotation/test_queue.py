import time as real_time

import numpy as np
import people
import pytest
from people import hand_out, record

from pointsup_jax.annotation import leases, records
from pointsup_jax.annotation import queue as queue_lib
from pointsup_jax.annotation import store as store_lib


class Time:
  now = 1000.0

  def __call__(self):
    return self.now


@pytest.fixture
def store(store):
  people.two_images(store)
  return store


@pytest.fixture
def time():
  return Time()


@pytest.fixture
def queue(store, time):
  return queue_lib.Queue(store, clock=time)


def test_points_are_handed_out_in_the_order_of_the_store(queue, store):
  assert queue.hand_out('ana', 40) == store.unanswered()


def test_no_point_is_in_two_hands(queue):
  hands = [set(hand_out(queue, who, 7)) for who in 'abcdefgh']
  assert sum(map(len, hands)) == 40
  assert len(set.union(*hands)) == 40


def test_who_asks_again_gets_the_same(queue, store, time):
  mine = hand_out(queue, 'ana', 5)
  assert hand_out(queue, 'ana', 5) == mine
  again = queue_lib.Queue(store, clock=time)  # after a restart
  assert not set(hand_out(again, 'ben', 5)) & set(mine)
  assert hand_out(again, 'ana', 5) == mine


def test_a_lease_runs_out_unless_it_is_renewed(queue, time):
  mine = hand_out(queue, 'ana', 5)
  for _ in range(5):
    time.now += leases.SECONDS * 0.6
    queue.hand_out('ana', 5)
  time.now += leases.SECONDS * 0.9
  assert not set(hand_out(queue, 'ben', 5)) & set(mine)
  time.now += leases.SECONDS * 0.2
  assert hand_out(queue, 'eva', 5) == mine


def test_who_comes_late_is_heard_beside_whoever_was_faster(queue, time):
  one, two = hand_out(queue, 'ana', 2)
  time.now += leases.SECONDS + 1
  assert hand_out(queue, 'ben', 2) == [one, two]
  record(queue, 'ben', one)
  assert record(queue, 'ana', one, label=5)
  assert queue.disputes(9) == [one]
  assert record(queue, 'ana', two)
  assert queue.progress().given == 2


def imported(store, point, label, who='eva'):
  with store_lib.Store(store.path) as other:
    other.record([records.Entry(point, 'label', label, who, None)])


def test_what_others_record_is_seen_at_once(queue, store):
  one, two = hand_out(queue, 'ana', 2)
  imported(store, one, 4)
  assert queue.progress() == (40, 1)
  assert one not in hand_out(queue, 'ana', 40)
  record(queue, 'ana', two)
  imported(store, two, 5)
  assert queue.disputes(9) == [two]
  assert store.current_answers()[two].label == 4
  record(queue, 'ana', one, label=9)  # was on the screen meanwhile
  assert queue.disputes(9) == [one, two]
  assert queue.history('ana', 9)[0].label == 9
  with store_lib.Store(store.path) as other:
    other.add_image('new', (8, 32), 1.0, [people.request('new', 0, 0)])
    other.answer_many({x.id: 1 for x in store.unanswered()[1:]}, 'eva')
  assert hand_out(queue, 'ana', 9) == ['new-r0-c0']
  imported(store, 'new-r0-c0', 1)
  assert queue.complete
  assert queue.plan().given == 41


@pytest.mark.parametrize('restarted', [False, True])
def test_a_clock_set_back_does_not_stretch_a_lease(
  queue, store, time, restarted
):
  mine = hand_out(queue, 'ana', 5)
  time.now -= 24 * 3600
  if restarted:
    queue = queue_lib.Queue(store, clock=time)
  assert hand_out(queue, 'ben', 5) == mine
  assert set(hand_out(queue, 'eva', 5)).isdisjoint(mine)


def times(store):
  rows = store.database.query('SELECT time FROM answers ORDER BY seq')
  return [time for (time,) in rows]


@pytest.mark.parametrize(
  ('at', 'kept'),
  [(1050, 1050), (1100, 1100), (900, 1000), (5000, 1100), (None, 1100)],
)
def test_a_late_answer_keeps_a_possible_time(queue, store, time, at, kept):
  (point,) = hand_out(queue, 'ana', 1)  # at 1000
  time.now += 60
  hand_out(queue, 'ana', 1)  # the lease is renewed, but this is not the first
  time.now = 1100
  record(queue, 'ana', point, at=at)
  assert times(store) == [records.timestamp(kept)]


def test_what_was_given_later_stands_whenever_it_comes(queue, store, time):
  one, two = hand_out(queue, 'ana', 2)
  time.now += 50
  record(queue, 'ana', one, label=1)
  record(queue, 'ana', two, label=1, at=time.now - 9)
  time.now += 50
  assert record(queue, 'ana', one, label=2, at=1020)  # given offline
  assert not record(queue, 'ana', two, 'undo', at=1020)
  assert [(x.request, x.label) for x in queue.history('ana', 9)] == [
    (two, 1), (one, 1)
  ]  # fmt: skip
  assert times(store)[2] == records.timestamp(1020)  # and nothing is lost
  assert record(queue, 'ana', one, label=3, at=1060)
  assert store.current_answers()[one].label == 3


def test_after_the_clock_was_set_back_the_last_answer_stands(
  queue, store, time
):
  time.now = real_time.time() + 24 * 3600
  (point,) = hand_out(queue, 'ana', 1)
  record(queue, 'ana', point, label=1)
  with store.database.transaction() as connection:  # as that clock had it
    connection.execute('DROP TRIGGER answers_stay')
    connection.execute(
      'UPDATE answers SET time = ?', [records.timestamp(time.now)]
    )
  time.now -= 24 * 3600
  record(queue, 'ana', point, label=2, at=time.now - 1)
  assert store.current_answers()[point].label == 2


def test_skipped_points_come_last_the_longest_ago_first(queue):
  order = hand_out(queue, 'ana', 40)
  for point in (order[3], order[0]):
    record(queue, 'ana', point, 'skip')
  left = [x for x in order if x not in (order[0], order[3])]
  assert hand_out(queue, 'ana', 40) == [*left, order[3], order[0]]
  record(queue, 'ana', order[3], 'skip')
  assert hand_out(queue, 'ana', 40)[-2:] == [order[0], order[3]]
  assert not queue.complete


def test_an_undone_point_stays_with_its_annotator(queue):
  mine = hand_out(queue, 'ana', 5)
  record(queue, 'ana', mine[0])
  record(queue, 'ana', mine[0], 'undo')
  assert mine[0] not in hand_out(queue, 'ben', 40)
  assert hand_out(queue, 'ana', 1) == mine[:1]


def test_history_has_the_latest_answer_first(queue):
  one, two, three = hand_out(queue, 'ana', 3)
  for point in (one, two, three):
    record(queue, 'ana', point)
  record(queue, 'ana', one, label=9)
  found = [(x.request, x.label) for x in queue.history('ana', 2)]
  assert found == [(one, 9), (three, 4)]
  record(queue, 'ana', one, 'undo')
  assert {x.request for x in queue.history('ana', 9)} == {one, two, three}
  assert queue.history('ben', 9) == []


def test_shared_points_want_two_different_annotators(store, time):
  queue = queue_lib.Queue(store, overlap=1.0, clock=time)
  assert queue.progress() == (80, 0)
  for point in hand_out(queue, 'ana', 40):
    record(queue, 'ana', point)
  assert queue.hand_out('ana', 40) == []
  assert not queue.complete
  assert len(queue.hand_out('ben', 40)) == 40
  assert queue.hand_out('eva', 40) == []
  for point in hand_out(queue, 'ben', 40):
    record(queue, 'ben', point)
  assert queue.complete
  assert queue.progress() == (80, 80)


def test_the_share_is_about_what_was_asked_for():
  points = [f'image-r{i}-c{i}' for i in range(10_000)]
  for overlap in (0.0, 0.05, 0.5, 1.0):
    share = np.mean([queue_lib.asked_twice(x, overlap) for x in points])
    assert abs(share - overlap) < 0.01


@pytest.mark.parametrize('overlap', [0.0, 0.3])
def test_whatever_happens_memory_and_store_say_the_same(store, time, overlap):
  """Random actions of four people; after each, a new queue reads the store."""
  rng = np.random.default_rng(0)
  queue = queue_lib.Queue(store, overlap, time)
  for step in range(400):
    who = 'abcd'[rng.integers(4)]
    if step % 7 == 0:
      any_point = store.requests()[rng.integers(40)].id
      imported(store, any_point, int(rng.integers(19)))
    time.now += rng.choice([1, 700], p=[0.97, 0.03])
    kinds = ['label', 'unsure', 'skip', 'undo']
    kind = rng.choice(kinds, p=[0.4, 0.1, 0.1, 0.4])
    if kind == 'undo':
      for said in queue.history(who, 99)[:1]:
        record(queue, who, said.request, 'undo')
    elif found := hand_out(queue, who, 3):
      late = time.now - rng.choice([0, 50])
      record(queue, who, found[-1], kind, int(rng.integers(19)), late)
    if step % 20 == 0:
      fresh = queue_lib.Queue(store, overlap, time)
      assert fresh.progress() == queue.progress()
      for name in 'abcd':
        assert fresh.history(name, 99) == queue.history(name, 99)
        assert fresh.hand_out(name, 2) == queue.hand_out(name, 2)
  if not overlap:
    assert queue.progress().given == store.counts().answered
