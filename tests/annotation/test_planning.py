import people
import pytest

from pointsup_jax.annotation import oracle, planning, records, schema
from pointsup_jax.annotation import queue as queue_lib
from pointsup_jax.annotation import store as store_lib


@pytest.fixture
def store(store):
  """Image i has the mean score i + 1, its patch p the score (i + 1) * p."""
  for i in range(8):
    requests = [
      people.request(f'image_{i}', patch, j, patch, score=(i + 1) * patch)
      for patch in reversed(range(5))  # best first, as they are asked
      for j in range(5)
    ]
    store.add_image(f'image_{i}', (8, 32), i + 1, requests)
  return store


def answer(store, requests, annotator='ana', seconds=4.0, active=3.0):
  how = records.How(active, 'blind')
  for request in requests:
    store.answer(request.id, 1, annotator, seconds, how)


def plan(store, overlap=0.0, annotator=None):
  return queue_lib.Queue(store, overlap).plan(annotator)


def test_a_budget_holds_the_head_of_the_order_of_worth(store):
  """By hand: the best of 8 images of 25 points has the scores 32, 24, 16, 8, 0.

  All scores: (1 + ... + 8) * (0 + ... + 4) = 360 per point of a patch.
  """
  found = plan(store)
  assert (found.points, found.needed, found.given) == (200, 200, 0)
  assert [row.budget for row in found.rows] == [
    (10, 20, 20, 1, 4, pytest.approx((32 + 24 + 16 + 8) / 360)),
    (25, 50, 50, 2, 10, pytest.approx((80 + 70) / 360)),
    (50, 100, 100, 4, 20, pytest.approx((80 + 70 + 60 + 50) / 360)),
    (75, 150, 150, 6, 30, pytest.approx((360 - 10 - 20) / 360)),
    (100, 200, 200, 8, 40, pytest.approx(1.0)),
  ]


def test_before_anything_was_timed_two_seconds_are_assumed_and_said(store):
  found = plan(store)
  assert found.pace == planning.ASSUMED
  assert found.hours == pytest.approx(200 * 2 / 3600)
  assert found.now == 0


def test_no_points_are_no_work(tmp_path):
  with store_lib.Store(tmp_path / 'empty.sqlite') as store:
    found = plan(store)
  assert (found.points, found.hours) == (0, 0.0)
  assert (found.rows, found.now) == ((), None)


def test_the_pace_is_the_median_of_the_active_time(store):
  order = store.ordered()
  answer(store, order[:19], active=1.0)
  assert plan(store).pace == planning.ASSUMED
  answer(store, order[19:20], active=100.0)
  found = plan(store)
  assert found.pace == (1.0, 20, None)
  assert found.hours == pytest.approx(180 * 1.0 / 3600)
  # `seconds` replace an unknown active time: 19 x 1, 20 x 7 and 1 x 100.
  answer(store, order[20:40], active=None, seconds=7.0)
  assert plan(store).pace == (7.0, 40, None)


def test_simulated_answers_and_skips_have_no_pace(store):
  order = store.ordered()
  store.answer_many({r.id: 1 for r in order[:30]}, oracle.NAME, 2.5)
  for request in order[30:60]:
    store.mark(request.id, 'skip', 'ana', 9.0, records.How(9.0, 'blind'))
  assert plan(store).pace == planning.ASSUMED
  for request in order[60:80]:
    store.mark(request.id, 'unsure', 'ana', 5.0, records.How(5.0, 'blind'))
  assert plan(store).pace == (5.0, 20, None)


def test_an_annotators_own_pace_goes_first(store):
  order = store.ordered()
  answer(store, order[:30], 'ana', active=1.0)
  answer(store, order[30:40], 'ben', active=3.0)
  assert plan(store, annotator='ana').pace == (1.0, 30, 'ana')
  assert plan(store, annotator='ben').pace == (1.0, 40, None)


def test_what_is_left_of_each_budget_is_counted_point_by_point(store):
  order = store.ordered()
  answer(store, order[:15])
  answer(store, order[120:130])  # out of order, as an imported file may be
  store.mark(order[40].id, 'skip', 'ana')
  found = plan(store)
  assert [row.left for row in found.rows] == [5, 35, 85, 125, 175]
  assert found.rows[1].hours == pytest.approx(35 * 3.0 / 3600)
  assert found.now == 1  # 25 answers exceed the first budget, 10%
  answer(store, order)
  found = plan(store)
  assert [row.left for row in found.rows] == [0] * 5
  assert (found.now, found.hours) == (None, 0.0)


@pytest.mark.parametrize('overlap', [0.3, 1.0])
def test_a_point_asked_twice_counts_twice(store, overlap):
  order = store.ordered()
  wanted = [1 + queue_lib.asked_twice(r.id, overlap) for r in order]
  assert sum(wanted) > 200
  answer(store, order[:30], 'ana')
  answer(store, order[10:20], 'ben')
  given = [(i < 30) + (10 <= i < 20) for i in range(200)]
  left = [max(w - g, 0) for w, g in zip(wanted, given, strict=True)]
  found = plan(store, overlap)
  for row in found.rows:
    assert row.budget.answers == sum(wanted[: row.budget.points])
    assert row.left == sum(left[: row.budget.points])
  assert found.needed - found.given == found.rows[-1].left


def test_the_plan_follows_the_answers_given_on_the_page(store):
  queue = queue_lib.Queue(store)
  how = records.How(1.0, 'blind')
  for request in queue.hand_out('ana', 60):
    queue.record('ana', queue_lib.Answer(request.id, 'label', 1, 1.0, how))
  assert queue.plan('ana') == plan(store, annotator='ana')
  assert [row.left for row in queue.plan().rows] == [0, 0, 40, 90, 140]
  (last,) = queue.history('ana', 1)
  queue.record('ana', queue_lib.Answer(last.request, 'undo', None, 0.0, how))
  assert queue.plan().rows[2].left == 41


def test_a_copy_shows_all_and_leaves_the_folder_as_it_was(store):
  """While others write, with recent answers in the WAL, and after that."""

  def look():
    with store_lib.Store(store.path, connect=schema.connect_to_copy) as copy:
      counts = copy.counts()
      copy.answer_many({copy.requests()[-1].id: 3}, 'nobody')
    return counts

  def files():
    folder = store.path.parent
    return {path.name: path.read_bytes() for path in folder.glob('*.sqlite')}

  answer(store, store.ordered()[:3])
  assert look() == (8, 200, 3)
  assert store.counts() == (8, 200, 3)
  store.close()
  before = files()
  assert look() == (8, 200, 3)
  assert files() == before
  assert [path.name for path in store.path.parent.iterdir()] == [*before]
