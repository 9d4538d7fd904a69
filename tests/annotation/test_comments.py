"""Comments lie beside answers, change none and are never lost."""

import contextlib
import sqlite3

import people
import pytest
import saying

from pointsup_jax.annotation import comments as comments_lib
from pointsup_jax.annotation import facts, records
from pointsup_jax.annotation import store as store_lib

SIZE = (8, 16)


@pytest.fixture
def store(store):
  requests = [people.request('a', 0, i) for i in range(3)]
  store.add_image('a', SIZE, [0.5], requests)
  return store


@pytest.fixture
def comments(store):
  return comments_lib.Comments(store.database)


def add(comments, text, who='ana', point='a-r0-c0', **options):
  return comments.add(records.Comment(point, who, text), **options)


def test_the_latest_comment_of_each_person_stands_and_all_are_kept(
  comments, store
):
  add(comments, 'glass')
  add(comments, ' a window ')
  add(comments, 'dark', 'ben')
  assert comments.by_request() == {
    'a-r0-c0': {'ana': 'a window', 'ben': 'dark'}
  }
  add(comments, '')
  assert comments.by_request() == {'a-r0-c0': {'ben': 'dark'}}
  rows = store.database.query('SELECT text FROM comments ORDER BY seq')
  assert [text for (text,) in rows] == ['glass', 'a window', 'dark', '']
  for change in ('DELETE FROM comments', "UPDATE comments SET text = 'x'"):
    with pytest.raises(sqlite3.IntegrityError, match='only ever appended'):
      store.database.query(change)


def test_a_comment_changes_no_answer(comments, store):
  store.answer('a-r0-c0', 3, 'ana')
  before = store.answers_by_person(), store.counts()
  add(comments, 'not sure')
  add(comments, 'open', point='a-r0-c1')
  assert (store.answers_by_person(), store.counts()) == before


def test_one_that_is_sent_twice_or_late_is_no_news(comments):
  assert add(comments, 'new', key='k', time=2000.0)
  assert not add(comments, 'new', key='k', time=2000.0)
  assert add(comments, 'given offline before', key='l', time=1000.0)
  assert comments.by_request() == {'a-r0-c0': {'ana': 'new'}}
  assert add(comments, 'of the future', time=9e10)
  assert add(comments, 'now')
  assert comments.by_request()['a-r0-c0']['ana'] == 'now'


@pytest.mark.parametrize(
  'text', ['a\nb', 'a\x00b', '\x85', 'a\u2028b', '\ud800', 'x' * 501, None, 7]
)
def test_what_is_no_comment_is_refused(comments, text):
  with pytest.raises(ValueError, match='comment'):
    add(comments, text)
  assert comments.all() == []


def test_a_comment_is_on_a_point_that_was_asked(comments):
  with pytest.raises(ValueError, match='no request'):
    add(comments, 'where?', point='b-r0-c0')


@pytest.mark.parametrize('change', ["text = 'a' || char(10)", 'text = 7'])
def test_forged_comments_are_refused(comments, store, path, change):
  add(comments, 'mine')
  store.close()
  with contextlib.closing(sqlite3.connect(path)) as file, file:
    (stays,) = file.execute(
      "SELECT sql FROM sqlite_master WHERE name = 'comments_stay'"
    ).fetchone()
    file.execute('DROP TRIGGER comments_stay')
    if '7' in change:
      change = "text = x'00'"  # the column makes texts of numbers
    file.execute(f'UPDATE comments SET {change}')
    file.execute(stays)
  text = saying.message(lambda: store_lib.Store(path))
  assert 'table comments' in text


def test_comments_come_back_from_a_spreadsheet_each_with_its_author(
  comments, store, tmp_path
):
  store.answer('a-r0-c0', 3, 'ana')
  add(comments, '=1+1, "quoted"; half')
  add(comments, 'I see a pole', 'ben')
  add(comments, 'too dark', 'ben', 'a-r0-c1')
  text = people.export(store, 'csv', SIZE, which='all')
  file = tmp_path / 'a.csv'
  file.write_text(text)
  with store_lib.Store(tmp_path / 'new.sqlite', 19) as other:
    requests = [people.request('a', 0, i) for i in range(3)]
    other.add_image('a', SIZE, [0.5], requests)
    done = people.import_file(other, file, 'csv', SIZE)
    assert (done.recorded, done.comments, done.untouched) == (1, 3, 2)
    there = comments_lib.Comments(other.database)
    assert there.by_request() == comments.by_request()
    assert people.import_file(other, file, 'csv', SIZE).comments == 0
    assert [x.label for x in other.answers_by_person()] == [3]
    add(there, 'no, it is a tree', 'ben')
    add(there, '', 'ben', 'a-r0-c1')
    assert people.import_file(other, file, 'csv', SIZE).comments == 0
    assert there.by_request()['a-r0-c0']['ben'] == 'no, it is a tree'
    assert 'a-r0-c1' not in there.by_request()


def test_an_answer_written_beside_a_comment_is_not_of_who_commented(
  comments, store, tmp_path
):
  add(comments, 'too dark', 'ben')
  text = people.export(store, 'csv', SIZE, which='all')
  lines = text.splitlines()
  (remarked,) = [i for i, line in enumerate(lines) if 'too dark' in line]
  lines[remarked] = lines[remarked].replace('a-r0-c0,,', 'a-r0-c0,road,')
  file = tmp_path / 'a.csv'
  file.write_text('\n'.join(lines))
  assert people.import_file(store, file, 'csv', SIZE).recorded == 1
  (answer,) = store.answers_by_person()
  assert answer.annotator != 'ben'
  assert comments.by_request() == {'a-r0-c0': {'ben': 'too dark'}}


def test_comments_on_points_that_nobody_answered_go_out_with_the_answers(
  comments, store
):
  store.answer('a-r0-c1', 3, 'ana')
  add(comments, 'no class for this: a tram stop', 'ben')
  text = people.export(store, 'csv', SIZE, which='answered')
  assert 'a tram stop' in text
  assert 'a-r0-c2' not in text


def test_a_faulty_comment_in_a_file_is_named(store, tmp_path):
  file = tmp_path / 'a.csv'
  file.write_text('id,label,comment\na-r0-c0,road,"two\nlines"\n')
  text = saying.message(lambda: people.import_file(store, file, 'csv', SIZE))
  assert 'a comment is one line' in text
  assert store.answers_by_person() == []


def test_comments_are_seen_in_label_studio(comments, store):
  add(comments, 'too dark')
  assert 'ana: too dark' in people.export(store, 'label_studio', SIZE)


def test_comments_of_another_run_are_taken_in_as_they_were(
  comments, store, tmp_path
):
  store.answer('a-r0-c0', 3, 'ana')
  add(comments, 'mine', time=1000.0)
  add(comments, 'alone', 'ben', 'a-r0-c1')
  add(comments, 'known', 'eve', 'a-r0-c2')
  names = [f'class {i}' for i in range(19)]
  with store_lib.Store(tmp_path / 'new.sqlite', 19) as other:
    requests = [people.request('a', 0, i) for i in range(3)]
    other.add_image('a', SIZE, [0.5], requests)
    there = comments_lib.Comments(other.database)
    add(there, 'already here', 'eve', 'a-r0-c2')
    for _ in range(2):
      judged = facts.judge(other, facts.read(store, names, names))
      assert judged.refused == {}
      facts.record(other, judged)
    assert there.by_request() == {
      'a-r0-c0': {'ana': 'mine'},
      'a-r0-c1': {'ben': 'alone'},
      'a-r0-c2': {'eve': 'already here'},
    }
    assert min(x.time for x in there.all()).startswith('1970-01-01T00:16:40')
    assert other.database.query('SELECT count(*) FROM comments') == [(3,)]
    add(comments, 'changed there', time=4e9)  # by a clock that is ahead
    facts.record(other, facts.judge(other, facts.read(store, names, names)))
    assert there.by_request()['a-r0-c0'] == {'ana': 'changed there'}
    add(there, 'and here')
    assert there.by_request()['a-r0-c0'] == {'ana': 'and here'}
    assert len(other.answers_by_person()) == 1
