"""Answers of one store in another: which are taken in, and as what."""

import sqlite3

import pytest
from people import request

from pointsup_jax.annotation import facts, records
from pointsup_jax.annotation import store as store_lib

THEIRS = ('road', 'car', 'tram')
OURS = ('car', 'road')
SIZE = (8, 16)


def opened(path, images, size=SIZE):
  store = store_lib.Store(path)
  for image, pixels in images.items():
    store.add_image(image, size, [0.5], [request(image, *x) for x in pixels])
  return store


@pytest.fixture
def theirs(tmp_path):
  images = {'a': [(0, 0), (1, 1), (2, 2), (3, 3)], 'gone': [(0, 0)]}
  with opened(tmp_path / 'theirs.sqlite', images) as store:
    yield store


@pytest.fixture
def ours(tmp_path):
  with opened(tmp_path / 'ours.sqlite', {'a': [(0, 0), (7, 7)]}) as store:
    yield store


def add(pixel):
  return request(*pixel, round=0)


def take(theirs, ours, add=None, names=OURS):
  judged = facts.judge(ours, facts.read(theirs, THEIRS, names), add)
  facts.record(ours, judged)
  return judged


def test_an_answer_is_taken_in_as_it_was_given(theirs, ours):
  how = records.How(2.0, 'blind', 'key')
  theirs.answer('a-r0-c0', 0, 'ana', 3.5, how)
  theirs.mark('a-r0-c0', 'unsure', 'ben')
  judged = take(theirs, ours)
  assert (len(judged.new), judged.points, judged.refused) == (2, [], {})
  columns = 'annotator, answer, label, seconds, active_seconds, mode, time'
  sql = f'SELECT {columns} FROM answers ORDER BY seq'
  ana, ben = ours.database.query(sql)
  assert ana[:6] == ('ana', 'label', OURS.index('road'), 3.5, 2.0, 'blind')
  assert ben[:3] == ('ben', 'unsure', None)
  assert [ana, ben][0][6] == theirs.database.query(sql)[0][6]
  again = take(theirs, ours)
  assert (again.new, again.known) == ([], 2)


def test_points_that_were_not_asked_need_the_word_of_the_user(theirs, ours):
  theirs.answer('a-r1-c1', 1, 'ana')
  assert list(take(theirs, ours).refused.values()) == [['a-r1-c1']]
  assert ours.counts().requests == 2
  judged = take(theirs, ours, add)
  assert [point.id for point in judged.points] == ['a-r1-c1']
  assert ours.answered('a').labels.tolist() == [OURS.index('car')]


def test_what_was_taken_back_and_what_was_simulated_is_no_fact(theirs, ours):
  theirs.answer('a-r0-c0', 0, 'ana')
  theirs.mark('a-r0-c0', 'undo', 'ana')
  theirs.mark('a-r1-c1', 'skip', 'ana')
  theirs.answer('a-r2-c2', 1, 'ground_truth')
  judged = take(theirs, ours, add)
  assert (judged.new, judged.refused) == ([], {})


def test_what_was_settled_elsewhere_settles_nothing_here(theirs, ours):
  settled = records.How(mode='adjudicate')
  for point in ('a-r0-c0', 'a-r1-c1'):
    theirs.answer(point, 0, 'eve', how=settled)
  ours.answer('a-r0-c0', 0, 'ben')
  judged = take(theirs, ours, add)
  assert [x.how.mode for _, x in judged.new] == [None, 'adjudicate']


def test_what_the_same_person_said_here_stands(theirs, ours):
  theirs.answer('a-r0-c0', 0, 'ana')
  ours.answer('a-r0-c0', 0, 'ana')
  assert take(theirs, ours).otherwise == 1
  assert ours.answered('a').labels.tolist() == [0]
  ours.mark('a-r0-c0', 'undo', 'ana')
  assert take(theirs, ours).otherwise == 1
  assert ours.counts().answered == 0


@pytest.mark.parametrize(
  ('point', 'label', 'why'),
  [
    ('a-r0-c0', 2, "'tram'"),
    ('gone-r0-c0', 0, 'not among the target images'),
  ],
)
def test_answers_that_do_not_fit_are_named(theirs, ours, point, label, why):
  theirs.answer(point, label, 'ana')
  (said,) = facts.refusals(take(theirs, ours, add))
  assert why in said
  assert point in said


@pytest.mark.parametrize(('names', 'refused'), [(OURS, 0), ((*OURS, 'bus'), 1)])
def test_none_of_their_classes_may_be_one_of_ours(theirs, ours, names, refused):
  theirs.answer('a-r0-c0', 255, 'ana')
  assert len(take(theirs, ours, names=names).refused) == refused


def test_other_sizes_are_refused(theirs, tmp_path):
  theirs.answer('a-r0-c0', 0, 'ana')
  with opened(tmp_path / 'big.sqlite', {'a': [(0, 0)]}, (16, 32)) as big:
    (said,) = facts.refusals(take(theirs, big, add))
  assert 'of 8x16, here 16x32' in said


@pytest.mark.parametrize(
  'change',
  [
    "UPDATE requests SET row = 99 WHERE id = 'a-r0-c0'",
    "UPDATE requests SET row = 'x' WHERE id = 'a-r0-c0'",
    "UPDATE requests SET row = -1 WHERE id = 'a-r0-c0'",
    'UPDATE answers SET label = 77',
    "UPDATE answers SET label = 'x'",
    "UPDATE answers SET annotator = x'00', seconds = 'x', time = 'now'",
    "UPDATE answers SET answer = 'boo', label = NULL",
    "UPDATE answers SET annotator = char(27) || '[2J'",
  ],
)
def test_a_forged_store_is_not_believed(theirs, ours, change):
  theirs.answer('a-r0-c0', 0, 'ana')
  with sqlite3.connect(theirs.path) as forger:
    forger.execute('PRAGMA ignore_check_constraints = ON')
    forger.execute('DROP TRIGGER answers_stay')
    forger.execute(change)
  judged = take(theirs, ours, add)
  assert all('\x1b' not in fact.annotator for _, fact in judged.new)
  for line in facts.refusals(judged):
    assert line.isprintable()
  # Whatever was recorded is what this program could have written.
  rows = ours.database.query(
    'SELECT typeof(annotator), typeof(label), typeof(row) FROM state'
    ' WHERE answer IS NOT NULL'
  )
  assert set(rows) <= {('text', 'integer', 'integer')}
