"""The state that the store keeps of its points is that of its answers."""

import collections
import contextlib
import sqlite3

import forging
import numpy as np
import people
import pytest

from pointsup_jax.annotation import open_points, records, schema, state
from pointsup_jax.annotation import queue as queue_lib
from pointsup_jax.annotation import store as store_lib

TABLES = ('totals', 'said', 'held', 'tallies', 'halves', 'agreed', 'timed')


def kept(store):
  """All of the state; pairs and times that occur no more do not count."""
  rows = {
    table: store.database.query(f'SELECT * FROM {table} ORDER BY 1, 2, 3, 4')
    for table in TABLES
  }
  for table in ('agreed', 'timed'):
    rows[table] = [row for row in rows[table] if row[-1]]
  # Sums of numbers depend on the order.
  rows['tallies'] = [
    (*x[:4], pytest.approx(x[4]), *x[5:]) for x in rows['tallies']
  ]
  return rows


def standing(store):
  """Everybody's standing answers by point and person, as they were recorded."""
  stacks = collections.defaultdict(list)
  for row in store.database.query(
    'SELECT request_id, annotator, answer, label, mode, time, seq,'
    ' active_seconds, seconds FROM answers ORDER BY seq'
  ):
    stack = stacks[row[0], row[1]]
    if row[2] != 'undo':
      stack.append(row)
    elif stack:
      stack.pop()
  return {key: stack[-1] for key, stack in stacks.items() if stack}


def holds(rows):
  """The answer of a point that holds, of those that stand."""
  rows = [row for row in rows if row[2] != 'skip'] or rows
  rows = [row for row in rows if row[4] == 'adjudicate'] or rows
  page = [row for row in rows if row[4] is not None]
  settled = [row for row in page if row[4] == 'adjudicate']
  if settled:
    return max(settled, key=lambda row: row[6])
  if page:
    return max(page, key=lambda row: (row[5], row[6]))
  return min(rows, key=lambda row: row[6])


def check(store, overlap):
  """Compares the state with a count in Python of what was recorded."""
  said = standing(store)
  of_point = collections.defaultdict(list)
  for (point, _), row in said.items():
    of_point[point].append(row)
  current = {
    point: (best[2], best[3], best[1])
    for point, rows in of_point.items()
    if (best := holds(rows))[2] != 'skip'
  }
  assert {
    x.request: (x.answer, x.label, x.annotator)
    for x in store.current_answers().values()
  } == current
  assert store.counts().answered == len(current)
  needed = {
    x.id: 1 + (x.round > 0 and queue_lib.asked_twice(x.id, overlap))
    for x in store.requests()
  }
  answers = {
    point: sum(row[2] != 'skip' for row in of_point[point]) for point in needed
  }
  queue = queue_lib.Queue(store, overlap)
  assert queue.progress() == (
    sum(needed.values()),
    sum(min(answers[point], needed[point]) for point in needed),
  )
  for who in ('v', 'w', 'nobody'):
    free = [
      x.id
      for x in store.ordered()
      if answers[x.id] < needed[x.id]
      and said.get((x.id, who), (None, None, 'skip'))[2] == 'skip'
    ]
    skipped = {
      point: max((x[6] for x in of_point[point] if x[2] == 'skip'), default=0)
      for point in free
    }
    asked = open_points.Asked(who, 0, 0)
    found = open_points.first(store.database, asked, 999)
    assert [x.request.id for x in found] == sorted(free, key=skipped.get)
    for image in {x.image for x in store.requests()}:
      here = [x for x in free if store.request(x).image == image]
      found = open_points.in_image(store.database, image, asked, 999, 2**62)
      assert [x.request.id for x in found] == sorted(here, key=skipped.get)
      count = open_points.count_in_image(store.database, image, asked)
      assert count == len(here)
  shown = queue.exemplars(999)
  expected = collections.defaultdict(set)
  for point, rows in of_point.items():
    labels = [x[3] for x in rows if x[2] != 'skip']
    wanted = answers[point] < needed[point]
    if len({*labels}) == 1 and labels[0] not in (None, 255) and not wanted:
      expected[labels[0]].add((point, len(labels) > 1))
  assert {label: {*points} for label, points in shown.items()} == expected
  for points in shown.values():
    assert [x.agreed for x in points] == sorted(
      (x.agreed for x in points), reverse=True
    )
  pairs = collections.Counter()
  disputed = []
  for point in needed:
    rows = [x for x in of_point[point] if x[2] == 'label']
    labels = [(x[1], x[3]) for x in rows if x[4] != 'adjudicate']
    pairs.update(
      (one, two, a, b) for one, a in labels for two, b in labels if one < two
    )
    settled = any(x[4] == 'adjudicate' for x in of_point[point])
    if len({label for _, label in labels}) > 1 and not settled:
      disputed.append(point)
  assert queue.disputes(99) == disputed
  assert queue.agreement().disputed == len(disputed)
  found = store.database.query('SELECT * FROM agreed WHERE points > 0')
  assert {row[:4]: row[4] for row in found} == dict(pairs)
  counted = collections.Counter(
    row[1] for row in said.values() if row[2] != 'skip'
  )
  efforts = queue.efforts()
  assert {x.annotator: x.answers for x in efforts} == dict(counted)
  for one in efforts:
    times = [
      row[8] if row[7] is None else row[7]
      for row in said.values()
      if row[1] == one.annotator and row[2] != 'skip'
    ]
    times = [seconds for seconds in times if seconds is not None]
    assert one.timed == len(times)
    if times:
      assert one.median == pytest.approx(np.median(times), abs=1e-3)
      assert one.p90 == pytest.approx(np.quantile(times, 0.9), abs=1e-3)


@pytest.mark.parametrize('overlap', [0.0, 0.4, 1.0])
def test_whatever_people_do_the_state_is_that_of_what_was_recorded(
  store, overlap
):
  """Random histories, with rounds that come meanwhile."""
  rng = np.random.default_rng(int(10 * overlap))
  queue = queue_lib.Queue(store, overlap)
  for step in range(400):
    if step % 100 == 0:
      for image in 'abc':
        requests = [
          people.request(image, step // 100, i, i % 3, round=1 + step // 100)
          for i in range(5)
        ]
        score = float(rng.random())
        store.add_image(image, (8, 32), score, requests, 1 + step // 100)
      added = people.request('a', 7, step // 100, 2, round=0)
      store.ask([added])
    if step == 250:
      store.ask([added._replace(round=4)])
    points = [x.id for x in store.requests()]
    point, who = points[rng.integers(len(points))], 'vwxyz'[rng.integers(5)]
    kind = rng.choice(
      ['label', 'unsure', 'skip', 'undo', 'import', 'adjudicate', 'queue'],
      p=[0.25, 0.1, 0.1, 0.25, 0.1, 0.05, 0.15],
    )
    how = records.How(float(rng.integers(9000)) / 1000, 'blind')
    label = int(rng.integers(3))
    if kind == 'undo':
      if said := queue.history(who, 99):
        store.mark(said[rng.integers(len(said))].request, 'undo', who, how=how)
    elif kind == 'import':
      store.record([records.Entry(point, 'label', label, who, None)])
    elif kind == 'queue':
      for one in queue.hand_out(who, 2):
        queue.record(who, queue_lib.Answer(one.id, 'label', label, 9.0, how))
    elif kind in ('unsure', 'skip'):
      store.mark(point, kind, who, 2.0, how)
    else:
      mode = 'adjudicate' if kind == 'adjudicate' else 'blind'
      late = None if rng.random() < 0.9 else 1000.0
      store.answer(point, label, who, 2.0, how._replace(mode=mode), late)
    if step % 20 == 0 or step == 399:
      check(store, overlap)
  before = kept(store)
  with store.database.transaction() as connection:
    state.build(connection)
  queue.progress()
  assert kept(store) == before


def test_what_two_people_are_asked_follows_the_share(store):
  requests = [people.request('a', i, j) for i in range(8) for j in range(32)]
  store.add_image('a', (8, 32), 0.5, requests)
  store.answer_many({x.id: 1 for x in requests[:100]}, 'ana')
  for overlap in (0.3, 0.0, 1.0, 0.6):
    check(store, overlap)
    queue = queue_lib.Queue(store, overlap)
    left = queue.progress().needed - queue.progress().given
    assert sum(row.left for row in queue.plan().rows[-1:]) == left
    twice = [x.id for x in requests if queue_lib.asked_twice(x.id, overlap)]
    free = {x.id for x in queue.hand_out('ana', 999)}
    assert free == {x.id for x in requests[100:]}
    again = {x.id for x in queue_lib.Queue(store, overlap).hand_out('ben', 999)}
    assert again == set(twice)
    with store.database.transaction() as connection:
      connection.execute('DELETE FROM leases')


def older(path):
  """Makes a store one of the version before the state was kept."""
  with contextlib.closing(sqlite3.connect(path)) as file, file:
    for kind in ('VIEW', 'TRIGGER', 'TABLE'):
      for statement in state.SCHEMA:
        words = statement.split(maxsplit=3)
        if words[1] == kind:
          file.execute(f'DROP {kind} IF EXISTS {words[2]}')
    file.execute('CREATE VIEW state AS SELECT * FROM requests')
    file.execute(f'PRAGMA user_version = {schema.VERSION - 1}')


@pytest.fixture
def answered(store):
  store.add_image(
    'a', (8, 32), 0.5, [people.request('a', 0, i) for i in range(9)]
  )
  store.answer('a-r0-c0', 3, 'ana', how=records.How(1.0, 'blind'))
  store.answer('a-r0-c0', 4, 'ben')
  store.mark('a-r0-c1', 'skip', 'ben')
  return store


def test_a_store_of_the_version_before_is_taken_on(answered, path):
  before = kept(answered)
  answered.close()
  older(path)
  with store_lib.Store(path, connect=schema.connect_to_copy) as copy:
    assert copy.counts() == (1, 9, 1)
  for _ in range(2):
    with store_lib.Store(path) as store:
      assert kept(store) == before
      check(store, 0.0)
      store.answer('a-r0-c2', 5, 'eva')
      check(store, 0.0)
      store.mark('a-r0-c2', 'undo', 'eva')
      before = kept(store)


def test_what_another_program_has_changed_is_counted_anew(answered, path):
  """One that drops the triggers, as it must to delete or add answers."""
  with forging.without_triggers(path) as file:
    file.execute("DELETE FROM answers WHERE annotator = 'ben'")
  with store_lib.Store(path) as store:
    assert [x.annotator for x in store.answers_by_person()] == ['ana']
    check(store, 0.0)


def test_state_that_points_to_other_answers_is_refused(answered, path):
  with contextlib.closing(sqlite3.connect(path)) as file, file:
    file.execute('UPDATE held SET seq = 1 WHERE point = 5')
  with pytest.raises(Exception, match='table held'):
    store_lib.Store(path)
