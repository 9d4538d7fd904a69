import contextlib
import functools
import pathlib
import re
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest
import saying
from people import request

from pointsup_jax import errors
from pointsup_jax.annotation import queries, records, schema
from pointsup_jax.annotation import store as store_lib


@pytest.fixture
def three(store):
  store.add_image('a', (8, 16), 0.25, [request('a', 1, 2), request('a', 1, 3)])
  store.add_image('b', (8, 16), 0.75, [request('b', 0, 0)])
  return store


@pytest.fixture
def other(path):
  with contextlib.closing(sqlite3.connect(path)) as other:
    yield other


def labels(store, image='a'):
  rows, cols, labels = (x.tolist() for x in store.answered(image))
  return dict(zip(zip(rows, cols, strict=True), labels, strict=True))


def waiting(store):
  return [request.id for request in store.unanswered()]


def test_a_new_store_is_empty(store):
  assert store.images() == set()
  assert store.requests() == store.unanswered() == []
  assert store.counts() == (0, 0, 0)
  assert [a.shape for a in store.answered('nothing')] == [(0,)] * 3


def test_gives_back_what_was_added(three):
  assert three.images() == {'a', 'b'}
  assert three.requests('a') == [request('a', 1, 2), request('a', 1, 3)]
  assert three.requests() == [*three.requests('a'), *three.requests('b')]
  assert three.counts() == records.Counts(images=2, requests=3, answered=0)


def test_an_image_without_requests_counts_as_done(store):
  assert store.add_image('empty', (8, 16), 0.5, [])
  assert store.images() == {'empty'}
  assert 'empty' not in store.asked_before(2)


def test_an_image_added_again_changes_nothing(three):
  three.answer('a-r1-c2', 4, 'ana')
  assert not three.add_image('a', (4, 4), 0.9, [request('a', 3, 3)])
  assert three.requests('a') == [request('a', 1, 2), request('a', 1, 3)]
  assert labels(three) == {(1, 2): 4}


def test_an_image_is_added_as_a_whole_or_not_at_all(store):
  with pytest.raises(sqlite3.IntegrityError):
    store.add_image('a', (8, 16), 0.5, [request('a', 1, 2), request('a', 1, 2)])
  assert store.images() == set()
  assert store.requests() == []


def test_numpy_numbers_are_kept_as_numbers(store):
  numbers = request(
    'a', np.int16(1), np.int32(2), np.int64(3), np.float32(0.5), np.uint8(7)
  )
  store.add_image('a', np.array([8, 16]), np.float32(0.25), [numbers])
  store.answer('a-r1-c2', np.uint8(9), 'ana')
  assert store.requests() == [request('a', 1, 2, 3, 0.5, 7)]
  assert labels(store) == {(1, 2): 9}


def test_every_round_scores_an_image_anew(store):
  store.add_image('a', (8, 16), [0.1, 0.2, 0.6], [request('a', 0, 0, patch=2)])
  store.add_image('b', (8, 16), [0.4, 0.4, 0.4], [])
  assert [r.image for r in store.ordered()] == ['a']
  assert store.images(2) == set()
  asked = [request('a', 5, 5, 1, round=2)]
  assert store.add_image('a', (8, 16), [0.9, 0.8, 0.0], asked, round=2)
  assert not store.add_image('a', (8, 16), [0, 0, 0], asked, round=2)
  assert store.images(1) == {'a', 'b'}
  assert store.images(2) == {'a'}
  first, second = store.patch_scores(1), store.patch_scores(2)
  assert first.keys() == {'a', 'b'}
  np.testing.assert_array_equal(first['a'], np.float32([0.1, 0.2, 0.6]))
  np.testing.assert_array_equal(second['a'], np.float32([0.9, 0.8, 0]))
  assert len(store.requests('a')) == 2


def test_a_round_knows_what_was_asked_before_it(store):
  asked = [request('a', 0, 0, 5), request('a', 0, 1, 5), request('a', 9, 9, 2)]
  store.add_image('a', (10, 10), 0.5, asked)
  store.add_image('b', (10, 10), 0.5, [request('b', 0, 0, 1)])
  later = [request('a', 3, 3, 7, round=2)]
  store.add_image('a', (10, 10), 0.5, later, round=2)
  assert store.asked_before(1) == {}
  assert store.asked_before(2) == {'a': {2: 1, 5: 2}, 'b': {1: 1}}
  assert store.asked_before(3) == {'a': {2: 1, 5: 2, 7: 1}, 'b': {1: 1}}
  store.answer('a-r9-c9', 1, 'ana')
  store.answer('a-r3-c3', 2, 'ana')
  assert store.answered('a').labels.tolist() == [1, 2]
  assert store.answered('a', 1).labels.tolist() == [1]


def test_answers_of_a_moment_stay_those_of_that_moment(three):
  three.answer('a-r1-c2', 4, 'ana')
  three.answer('a-r1-c3', 5, 'ben')
  last, points = three.answers_since(1)
  assert (last, points) == (2, 2)
  before = three.answered('a')
  three.mark('a-r1-c3', 'undo', 'ben')
  three.answer('a-r1-c2', 6, 'eve', how=records.How(mode='blind'))
  three.mark('b-r0-c0', 'skip', 'eve')
  assert three.answers_since(1, last)[1] == 2
  for then, now in zip(three.answered('a', 1, last), before, strict=True):
    assert then.tolist() == now.tolist()
  assert three.answered('a').labels.tolist() == [6]


def test_a_point_that_was_added_becomes_one_of_the_round_that_asks_it(store):
  store.add_image('a', (8, 16), [0.5], [])
  store.ask([request('a', 1, 2, round=0)])
  store.answer('a-r1-c2', 4, 'ana')
  assert store.asked_before(2) == {}
  assert store.answered('a', 1).labels.tolist() == [4]
  asked = [request('a', 1, 2, score=0.75), request('a', 3, 3)]
  store.ask(asked)
  assert store.requests() == asked
  assert waiting(store) == ['a-r3-c3']


def test_requests_are_added_all_or_none(store):
  store.add_image('a', (10, 10), 0.5, [])
  store.ask([request('a', 0, 0), request('a', 0, 1)])
  with pytest.raises(sqlite3.IntegrityError):
    store.ask([request(x, 7, 7, round=2) for x in 'ac'])
  assert [r.id for r in store.requests()] == ['a-r0-c0', 'a-r0-c1']


def test_the_best_image_comes_first_and_its_points_as_they_were_asked(store):
  """As classes take turns: the best pixel of the second class is worth less.

  Another round asks later, whatever it finds.
  """
  dull = [(0, 0, 0, 0.9), (0, 1, 1, 0.1)]
  rich = [(5, 3, 1, 0.4), (6, 1, 1, 0.8), (0, 9, 0, 0.3), (0, 4, 2, 0.8)]
  for name, score, points in (('dull', 0.1, dull), ('rich', 0.2, rich)):
    asked = [request(name, *point) for point in points]
    store.add_image(name, (8, 16), score, asked)
  again = request('rich', 7, 7, 0, score=0.9, round=2)
  store.add_image('rich', (8, 16), 0.2, [again], round=2)
  order = ['rich-r5-c3', 'rich-r6-c1', 'rich-r0-c9', 'rich-r0-c4', 'rich-r7-c7']
  order += ['dull-r0-c0', 'dull-r0-c1']
  assert waiting(store) == order
  assert [x.id for x in store.ordered()] == order
  store.answer(order[1], 0, 'ana')
  store.mark(order[0], 'skip', 'ana')
  assert waiting(store) == [*order[2:], order[0]]


def test_an_answered_request_is_not_asked_again_and_keeps_its_place(three):
  order = three.unanswered()
  three.answer('b-r0-c0', 0, 'ana')
  assert waiting(three) == ['a-r1-c2', 'a-r1-c3']
  assert three.ordered() == order
  assert three.counts().answered == 1


def test_answers_come_as_arrays_in_the_order_of_requests(three):
  three.answer('a-r1-c3', 18, 'ana', seconds=1.5)
  three.answer('a-r1-c2', 255, 'ana')
  rows, cols, labels = three.answered('a')
  np.testing.assert_array_equal([rows, cols], [[1, 1], [2, 3]])
  np.testing.assert_array_equal(labels, np.array([255, 18], np.uint8))
  assert labels.dtype == np.uint8


def test_unsure_is_an_answer_that_stage_3_ignores(three):
  three.mark('a-r1-c2', 'unsure', 'ana')
  assert labels(three) == {(1, 2): 255}
  assert 'a-r1-c2' not in waiting(three)
  assert three.counts().answered == 1


def test_a_skipped_request_is_asked_again_after_all_others(three):
  three.mark('b-r0-c0', 'skip', 'ana')  # would be the first by its score
  assert waiting(three) == ['a-r1-c2', 'a-r1-c3', 'b-r0-c0']
  assert three.counts().answered == 0
  assert labels(three, 'b') == {}


def replay(events):
  """The answer in force after the events; undo pops a stack."""
  stack = []
  for event in events:
    stack.pop() if event == 'undo' else stack.append(event)
  return stack[-1] if stack else None


def test_undo_brings_back_the_answer_before(three):
  rng = np.random.default_rng(0)
  events = []
  for _ in range(200):
    if replay(events) is not None and rng.random() < 0.5:
      events.append('undo')
      three.mark('a-r1-c2', 'undo', 'ana')
    else:
      events.append(int(rng.integers(19)))
      three.answer('a-r1-c2', events[-1], 'ana')
    three.answer('a-r1-c3', 7, 'ana')  # must not affect the other point
    expected = replay(events)
    assert labels(three).get((1, 2)) == expected
    assert ('a-r1-c2' in waiting(three)) == (expected is None)
  assert 'undo' in events


def test_nothing_answered_cannot_be_undone(three):
  for _ in range(2):
    with pytest.raises(ValueError, match='no answer to undo'):
      three.mark('a-r1-c2', 'undo', 'ana')
    three.answer('a-r1-c2', 1, 'ana')
    three.mark('a-r1-c2', 'undo', 'ana')


@pytest.mark.parametrize('label', [19, 254, 256, -1])
def test_a_label_of_no_class_is_refused(three, label):
  with pytest.raises(ValueError, match=r'neither a class \(0..18\) nor 255'):
    three.answer('a-r1-c2', label, 'ana')
  assert three.counts().answered == 0


def test_an_unknown_request_is_refused(three):
  with pytest.raises(ValueError, match='no request'):
    three.answer('a-r9-c9', 1, 'ana')
  with pytest.raises(ValueError, match='not one of'):
    three.mark('a-r1-c2', 'perhaps', 'ana')


def test_many_answers_are_recorded_together_or_not_at_all(three):
  with pytest.raises(ValueError, match='no request'):
    three.answer_many({'a-r1-c2': 1, 'nothing': 2}, 'gt')
  assert three.counts().answered == 0
  three.answer_many({'a-r1-c2': 1, 'b-r0-c0': 2}, 'gt')
  assert three.counts().answered == 2


def test_answers_can_only_be_appended(three, other):
  three.answer('a-r1-c2', 4, 'ana')
  for sql in ('DELETE FROM answers', 'UPDATE answers SET label = 5'):
    with pytest.raises(sqlite3.IntegrityError, match='appended'):
      other.execute(sql)


def test_other_programs_can_read_the_points(three, other):
  three.answer('a-r1-c2', 4, 'ana', seconds=1.5)
  three.mark('b-r0-c0', 'unsure', 'ben')
  rows = other.execute('SELECT * FROM points')
  assert [column for column, *_ in rows.description] == [
    'image', 'row', 'col', 'patch', 'score', 'pseudo_label', 'label',
    'annotator', 'time',
  ]  # fmt: skip
  first, second, third = rows.fetchall()
  assert first[:8] == ('a', 1, 2, 0, 0.5, 3, 4, 'ana')
  assert re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z', first[8])
  assert second == ('a', 1, 3, 0, 0.5, 3, None, None, None)
  assert third[:8] == ('b', 0, 0, 0, 0.5, 3, None, 'ben')
  assert other.execute('SELECT seconds FROM answers').fetchall()[0] == (1.5,)
  assert other.execute('PRAGMA user_version').fetchone() == (schema.VERSION,)
  assert other.execute('PRAGMA journal_mode').fetchone() == ('wal',)


def test_the_latest_answer_holds_in_a_store_opened_twice(three, path):
  page = records.How(mode='blind')
  with store_lib.Store(path, num_classes=19) as other:
    other.answer('a-r1-c2', 4, 'ana', how=page)
    assert labels(three) == {(1, 2): 4}
    three.answer('a-r1-c2', 5, 'ben', how=page)
    assert labels(other) == {(1, 2): 5}
  assert three.counts().answered == 1


def test_answers_survive_a_killed_process(three, path):
  script = f"""
import os, signal
from pointsup_jax.annotation import store
s = store.Store({str(path)!r})
s.answer('a-r1-c2', 4, 'ana')
def requests():
  os.kill(os.getpid(), signal.SIGKILL)
  yield
s.add_image('half', (1, 1), 0.5, requests())
"""
  killed = subprocess.run([sys.executable, '-c', script], check=False)
  assert killed.returncode == -9
  with store_lib.Store(path) as again:
    assert labels(again) == {(1, 2): 4}
    assert again.images() == {'a', 'b'}


def test_a_store_is_found_again_as_it_was_left(path):
  with store_lib.Store(path) as store:
    store.add_image('ä/ö', (8, 16), 0.5, [request('ä/ö', 1, 2)])
    store.answer('ä/ö-r1-c2', 200, 'ana')
  with store_lib.Store(path) as store:
    assert labels(store, 'ä/ö') == {(1, 2): 200}


def test_an_empty_file_becomes_a_store(path):
  path.touch()  # as left by a kill just after creation
  with store_lib.Store(path) as store:
    assert store.counts() == (0, 0, 0)


def make_text(path):
  path.write_text('this is not a database, and longer than a header. ' * 20)


def execute(path, *statements):
  with contextlib.closing(sqlite3.connect(path)) as other, other:
    for statement in statements:
      other.execute(statement)


def make_foreign(path):
  execute(path, 'CREATE TABLE images (x)', 'PRAGMA user_version = 1')


def make_newer(path, version=schema.VERSION + 1):
  store_lib.Store(path).close()
  execute(path, f'PRAGMA user_version = {version}')


def make_older(path):
  make_newer(path, schema.VERSION - 2)


@pytest.mark.parametrize(
  ('make', 'words'),
  [
    (make_text, 'cannot be opened as an annotation store'),
    (make_foreign, 'not an annotation store'),
    (make_newer, f'version {schema.VERSION + 1}'),
    (make_older, f'version {schema.VERSION - 2}'),
    (pathlib.Path.mkdir, 'cannot be opened as an annotation store'),
  ],
)
def test_other_files_are_refused_and_left_alone(path, make, words):
  make(path)
  before = path.read_bytes() if path.is_file() else None
  text = saying.message(lambda: store_lib.Store(path))
  assert words in text
  assert str(path) in text
  assert before == (path.read_bytes() if path.is_file() else None)


def test_a_missing_folder_is_named(tmp_path):
  with pytest.raises(errors.UserError, match='nowhere'):
    store_lib.Store(tmp_path / 'nowhere' / 'annotations.sqlite')


def test_a_damaged_file_is_reported_in_one_line(path):
  with store_lib.Store(path) as store:
    for i in range(50):
      asked = [request(f'{i}', row, 0) for row in range(20)]
      store.add_image(f'{i}', (32, 16), 0.5, asked)
  content = bytearray(path.read_bytes())
  content[len(content) // 3 :] = b'\xff' * (len(content) - len(content) // 3)
  path.write_bytes(content)

  def read():
    with store_lib.Store(path) as store:
      store.unanswered()

  assert str(path) in saying.message(read)


@pytest.mark.parametrize('first', [None, 'blind', 'confirm', 'adjudicate'])
def test_an_import_overrules_nobody(three, first):
  three.answer('a-r1-c2', 4, 'ana', how=records.How(mode=first))
  three.record([records.Entry('a-r1-c2', 'label', 5, 'ben', None)])
  assert labels(three) == {(1, 2): 4}
  assert three.counts().answered == 1
  assert len(three.answers_by_person('a-r1-c2')) == 2


def test_an_undo_takes_back_nobody_elses_answer(three):
  page = records.How(mode='blind')
  three.answer('a-r1-c2', 4, 'ana', how=page)
  three.answer('a-r1-c2', 5, 'ben', how=page)
  three.answer('a-r1-c2', 6, 'ana', how=page)
  three.mark('a-r1-c2', 'undo', 'ben')
  assert labels(three) == {(1, 2): 6}
  with pytest.raises(ValueError, match='ben has no answer to undo'):
    three.mark('a-r1-c2', 'undo', 'ben')
  three.mark('a-r1-c2', 'undo', 'ana')
  assert labels(three) == {(1, 2): 4}


def test_a_skip_leaves_anothers_answer_in_force(three):
  three.answer('a-r1-c2', 4, 'ana')
  three.mark('a-r1-c2', 'skip', 'ben')
  assert labels(three) == {(1, 2): 4}
  assert waiting(three) == ['b-r0-c0', 'a-r1-c3']


def test_a_settled_dispute_stays_settled(three):
  three.answer('a-r1-c2', 4, 'ana')
  three.answer('a-r1-c2', 5, 'eva', how=records.How(mode='adjudicate'))
  three.answer('a-r1-c2', 6, 'ben')
  assert labels(three) == {(1, 2): 5}
  three.mark('a-r1-c2', 'undo', 'eva')
  assert labels(three) == {(1, 2): 4}


def test_an_answer_sent_twice_is_recorded_once(three):
  how = records.How(1.0, 'blind', 'key-1')
  assert three.answer('a-r1-c2', 4, 'ana', 2.0, how)
  assert not three.answer('a-r1-c2', 4, 'ana', 2.0, how)
  assert three.mark('a-r1-c2', 'undo', 'ana', how=how._replace(key='key-2'))
  assert not three.answer('a-r1-c2', 4, 'ana', 2.0, how)  # too late
  assert labels(three) == {}


def test_all_that_stands_is_told_the_oldest_first(three):
  three.answer('a-r1-c2', 4, 'ana', 2.0, records.How(1.5, 'confirm'))
  three.mark('b-r0-c0', 'unsure', 'ben')
  three.answer('a-r1-c2', 5, 'ben')
  found = three.answers_by_person()
  assert [answer[1:] for answer in found] == [
    ('a-r1-c2', 'ana', 'label', 4, 1.5, 'confirm', 2.0),
    ('b-r0-c0', 'ben', 'unsure', None, None, None, None),
    ('a-r1-c2', 'ben', 'label', 5, None, None, None),
  ]
  assert three.answers_by_person('b-r0-c0') == found[1:2]


def test_leases_outlive_the_process_and_can_be_renewed(three, path):
  one, two = (records.Lease('a-r1-c2', who, 100.5) for who in ('ana', 'ben'))
  three.leases.keep([one, two])
  three.leases.keep([one._replace(expires=200.5, since=90.5)])
  with store_lib.Store(path) as again:
    assert set(again.leases.all()) == {one._replace(expires=200.5), two}
    assert again.leases.since('a-r1-c2', 'ana') == one.since
    assert again.leases.since('a-r1-c3', 'ana') is None


def test_answers_wait_for_the_disk_after_leases_did_not(three, path):
  connection = schema.connect(path)
  with store_lib.Store(path, connect=lambda _: connection) as store:
    store.leases.keep([records.Lease('a-r1-c2', 'ana', 100.5)])
    found = connection.execute('PRAGMA synchronous').fetchone()
  assert found == (2,)  # FULL


def test_answers_to_one_point_are_found_without_reading_all(store, other):
  query = queries.answers_by_person("WHERE request_id = 'a-r1-c2'")
  plan = other.execute(f'EXPLAIN QUERY PLAN {query}').fetchall()
  of_answers = [step for *_, step in plan if ' answers ' in step]
  assert of_answers
  assert all(step.startswith('SEARCH') for step in of_answers), plan


ENDLESS = (
  'CREATE VIEW state AS WITH RECURSIVE x(n) AS'
  ' (SELECT 1 UNION ALL SELECT n + 1 FROM x) SELECT * FROM x'
)
TRIGGER = (
  'CREATE TRIGGER evil AFTER INSERT ON answers BEGIN'
  ' INSERT INTO answers SELECT 9, NEW.request_id, NEW.answer, 2, 1, 1, 1; END'
)
LABEL = (
  'INSERT INTO answers (request_id, answer, label, annotator, time) VALUES '
)


@pytest.mark.parametrize(
  ('statements', 'words'),
  [
    (['DROP VIEW points', 'DROP VIEW state', ENDLESS], "'view points'"),
    (['DROP TRIGGER answers_stay'], "'trigger answers_stay'"),
    ([TRIGGER], "'trigger evil'"),
    (['CREATE TABLE sqlitf (x)'], "'table sqlitf'"),
    ([LABEL + "('a-r1-c2', 'label', 200, 'ana', '')"], '200'),
    ([LABEL + "('a-r1-c2', 'label', 'road', 'ana', '')"], 'road'),
    ([LABEL + "('a-r1-c2', 'label', 1.5, 'ana', '')"], '1.5'),
    ([LABEL + "('a-r1-c2', 'label', 1, x'00', '')"], 'answers'),
    ([LABEL + "('a-r9-c9', 'label', 1, 'ana', '')"], 'a-r9-c9'),
    (['UPDATE requests SET row = 8'], 'requests'),
    (['UPDATE requests SET col = -1'], 'requests'),
    (["UPDATE requests SET row = 'x'"], 'requests'),
    (["UPDATE requests SET image = 'b'"], 'requests'),
    (['UPDATE requests SET pseudo_label = 256'], 'requests'),
    (["UPDATE scored SET patches = 'x'"], 'scored'),
    (["UPDATE images SET height = 'x'"], 'images'),
  ],
)
@pytest.mark.parametrize('connect', [schema.connect, schema.connect_to_copy])
def test_what_we_cannot_have_written_is_refused(
  path, statements, words, connect
):
  with store_lib.Store(path, 3) as store:
    store.add_image('a', (8, 16), 0.25, [request('a', 1, 2)])
    store.answer('a-r1-c2', 255, 'ana')
  constraints = ('ignore_check_constraints = ON', 'foreign_keys = OFF')
  with contextlib.closing(sqlite3.connect(path)) as other, other:
    for pragma in constraints:
      other.execute(f'PRAGMA {pragma}')
    for statement in statements:
      other.execute(statement)
  text = saying.message(lambda: store_lib.Store(path, 3, connect))
  assert words in text
  assert str(path) in text


def test_the_statistics_of_analyze_are_no_harm(three, other, path):
  other.execute('ANALYZE')
  other.commit()
  store_lib.Store(path).close()


def copied(path, to):
  """Requests answered in a plain copy of the file."""
  (to / 'copy.sqlite').write_bytes(path.read_bytes())
  with store_lib.Store(to / 'copy.sqlite') as copy:
    return copy.counts().answered


def test_a_plain_copy_is_complete_after_a_checkpoint(three, path, tmp_path):
  three.answer('a-r1-c2', 4, 'ana')
  three.database.checkpoint()
  assert copied(path, tmp_path) == 1


def test_what_is_recorded_after_the_log_was_deleted_is_kept(
  three, path, tmp_path
):
  three.answer('a-r1-c2', 4, 'ana')
  for end in ('-wal', '-shm'):
    path.with_name(f'{path.name}{end}').unlink()
  three.answer('b-r0-c0', 5, 'ana')
  with store_lib.Store(path) as other:  # sees it, and may be killed here
    assert other.counts().answered == 2
  three.database.checkpoint()
  assert copied(path, tmp_path) == 2


def test_nothing_is_recorded_in_a_file_that_was_moved(three, path):
  moved = path.rename(path.with_name('moved'))
  text = saying.message(lambda: three.answer('a-r1-c2', 4, 'ana'))
  assert 'put it back' in text
  moved.rename(path)
  assert three.answer('a-r1-c2', 4, 'ana')


def test_a_lock_is_waited_for_once_and_named(three, path, other):
  connect = functools.partial(schema.connect, busy_seconds=0.3)
  with store_lib.Store(path, connect=connect) as store:
    other.execute('BEGIN EXCLUSIVE')
    began = time.monotonic()
    for _ in range(20):
      text = saying.message(lambda: store.answer('a-r1-c2', 4, 'ana'))
      assert 'locked by another program' in text
    assert 0.2 < time.monotonic() - began < 3
    other.rollback()
    assert store.answer('a-r1-c2', 4, 'ana')
    other.execute('BEGIN EXCLUSIVE')
    began = time.monotonic()
    saying.message(lambda: store.answer('a-r1-c2', 4, 'ana'))
    assert time.monotonic() - began > 0.2
