"""Who is asked about which point: once each, whatever happens."""

import numpy as np
import pytest

from pointsup_jax.annotation import queue as queue_lib
from pointsup_jax.annotation import records
from pointsup_jax.annotation import store as store_lib


class Time:
  now = 1000.0

  def __call__(self):
    return self.now


def request(image, i):
  return records.Request(
    records.request_id(image, 0, i), image, 0, i, 0, 0.5, 3, 1, 9
  )


@pytest.fixture
def store(tmp_path):
  with store_lib.Store(tmp_path / 'annotations.sqlite', 19) as store:
    for image, score in (('dull', 0.1), ('rich', 0.9)):
      points = [request(image, i) for i in range(20)]
      store.add_image(image, (8, 32), score, points)
    yield store


@pytest.fixture
def time():
  return Time()


@pytest.fixture
def queue(store, time):
  return queue_lib.Queue(store, clock=time)


def ids(requests):
  return [request.id for request in requests]


def answer(point, kind='label', label=4, mode='blind', key=None):
  label = label if kind == 'label' else None
  how = records.How(1.0, mode, key)
  return queue_lib.Answer(point, kind, label, 2.0, how)


def test_points_are_handed_out_in_the_order_of_the_store(queue, store):
  assert queue.hand_out('ana', 40) == store.unanswered()


def test_no_point_is_in_two_hands(queue):
  hands = [set(ids(queue.hand_out(who, 7))) for who in 'abcdefgh']
  assert sum(map(len, hands)) == 40
  assert len(set.union(*hands)) == 40


def test_who_asks_again_gets_the_same(queue, store, time):
  mine = ids(queue.hand_out('ana', 5))
  assert ids(queue.hand_out('ana', 5)) == mine
  again = queue_lib.Queue(store, clock=time)  # after a restart
  assert not set(ids(again.hand_out('ben', 5))) & set(mine)
  assert ids(again.hand_out('ana', 5)) == mine


def test_a_lease_runs_out_unless_it_is_renewed(queue, time):
  mine = ids(queue.hand_out('ana', 5))
  for _ in range(5):
    time.now += queue_lib.LEASE_SECONDS * 0.6
    queue.hand_out('ana', 5)
  time.now += queue_lib.LEASE_SECONDS * 0.9
  assert not set(ids(queue.hand_out('ben', 5))) & set(mine)
  time.now += queue_lib.LEASE_SECONDS * 0.2
  assert ids(queue.hand_out('eva', 5)) == mine


def test_who_comes_late_is_heard_unless_somebody_was_faster(queue, time):
  one, two = ids(queue.hand_out('ana', 2))
  time.now += queue_lib.LEASE_SECONDS + 1
  assert ids(queue.hand_out('ben', 2)) == [one, two]
  queue.record('ben', answer(one))
  with pytest.raises(queue_lib.Taken):
    queue.record('ana', answer(one, label=5))
  assert queue.record('ana', answer(two))
  assert queue.progress().given == 2


def test_skipped_points_come_last_the_longest_ago_first(queue):
  order = ids(queue.hand_out('ana', 40))
  for point in (order[3], order[0]):
    queue.record('ana', answer(point, 'skip'))
  left = [x for x in order if x not in (order[0], order[3])]
  assert ids(queue.hand_out('ana', 40)) == [*left, order[3], order[0]]
  queue.record('ana', answer(order[3], 'skip'))
  assert ids(queue.hand_out('ana', 40))[-2:] == [order[0], order[3]]
  assert not queue.complete


def test_an_undone_point_stays_with_its_annotator(queue):
  mine = ids(queue.hand_out('ana', 5))
  queue.record('ana', answer(mine[0]))
  queue.record('ana', answer(mine[0], 'undo'))
  assert mine[0] not in ids(queue.hand_out('ben', 40))
  assert ids(queue.hand_out('ana', 1)) == mine[:1]


def test_history_has_the_latest_answer_first(queue):
  one, two, three = ids(queue.hand_out('ana', 3))
  for point in (one, two, three):
    queue.record('ana', answer(point))
  queue.record('ana', answer(one, label=9))
  assert [(x.request, x.label) for x in queue.history('ana', 2)] == [
    (one, 9),
    (three, 4),
  ]
  queue.record('ana', answer(one, 'undo'))
  assert {x.request for x in queue.history('ana', 9)} == {one, two, three}
  assert queue.history('ben', 9) == []


def test_shared_points_want_two_different_annotators(store, time):
  queue = queue_lib.Queue(store, overlap=1.0, clock=time)
  assert queue.progress() == (80, 0)
  for point in ids(queue.hand_out('ana', 40)):
    queue.record('ana', answer(point))
  assert queue.hand_out('ana', 40) == []
  assert not queue.complete
  assert len(queue.hand_out('ben', 40)) == 40
  assert queue.hand_out('eva', 40) == []
  for request in queue.hand_out('ben', 40):
    queue.record('ben', answer(request.id))
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
    time.now += rng.choice([1, 700], p=[0.97, 0.03])
    kind = rng.choice(
      ['label', 'unsure', 'skip', 'undo'], p=[0.4, 0.1, 0.1, 0.4]
    )
    history = queue.history(who, 99)
    if kind == 'undo':
      if history:
        queue.record(who, answer(history[0].request, 'undo'))
    elif found := queue.hand_out(who, 3):
      queue.record(who, answer(found[-1].id, kind, int(rng.integers(19))))
    if step % 20 == 0:
      fresh = queue_lib.Queue(store, overlap, time)
      assert fresh.progress() == queue.progress()
      for name in 'abcd':
        assert fresh.history(name, 99) == queue.history(name, 99)
        assert fresh.hand_out(name, 2) == queue.hand_out(name, 2)
  if not overlap:
    assert queue.progress().given == store.counts().answered
