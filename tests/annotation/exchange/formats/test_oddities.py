"""Each oddity in a file is reported and affects no other point."""

import json

import documents
import numpy as np
import people
import pytest
import saying

from pointsup_jax.annotation.exchange.formats import exchanged as points_lib

SIZE = (64, 128)


@pytest.fixture
def store(store):
  people.fill(store, SIZE, ['a', 'b/c'], 12)
  return store


@pytest.fixture
def said(store):
  names = people.CITYSCAPES.answers
  ids = [request.id for request in store.requests()]
  return {id_: names[i % len(names)] for i, id_ in enumerate(ids)}


@pytest.fixture(params=sorted(documents.DOCUMENTS))
def document(request, store, said):
  text = people.export(store, request.param, SIZE)
  text = people.answer(text, request.param, said)
  return documents.DOCUMENTS[request.param](text)


def check(store, document):
  verdict = people.check(store, document.text, document.format_name, SIZE)
  word = people.CITYSCAPES.of
  return verdict, {x.request: word(x.label) for x in verdict.accepted}


def check_holds(store, document, expected):
  verdict, got = check(store, document)
  assert got == expected
  assert verdict.faults == verdict.notes == []


def check_fault(store, document, expected, *words):
  verdict, got = check(store, document)
  assert got == expected
  (fault,) = verdict.faults
  for word in words:
    assert word in fault


def without(said, gone):
  return {id_: word for id_, word in said.items() if id_ != gone}


def ids_of(document):
  read = people.read(document.text, document.format_name)
  return [given.point for given in read]


def test_order_means_nothing(store, document, said):
  document.shuffle(np.random.default_rng(0))
  assert ids_of(document) != list(said)
  check_holds(store, document, said)


def test_a_deleted_point_is_unanswered(store, document, said):
  gone = ids_of(document)[3]
  documents.remove(document.entries()[3])
  check_holds(store, document, without(said, gone))


def test_an_answer_given_twice_counts_once(store, document, said):
  twice = ids_of(document)[5]
  documents.repeat(document.entries()[5])
  check_fault(store, document, said, twice, 'answered 2 times')


def test_a_person_s_two_answers_are_none(store, document, said):
  twice = ids_of(document)[5]
  _, copy = documents.repeat(document.entries()[5])
  document.classify(copy, 'bus')
  check_fault(store, document, without(said, twice), twice, 'bus')


@pytest.mark.parametrize(
  ('id_', 'words'),
  [
    ('b/c-r999-c1', 'b/c-r999-c1: was never asked'),
    ('', 'added by hand'),
    ('aB3_xY-9kQ', 'added by hand'),
  ],
)
def test_a_point_never_asked_is_listed(store, document, said, id_, words):
  _, copy = documents.repeat(document.entries()[0])
  document.rename(copy, id_)
  check_fault(store, document, said, words)


def test_an_unknown_class_is_listed(store, document, said):
  odd = ids_of(document)[7]
  document.classify(document.entries()[7][1], 'trafic lihgt')
  fault = f"{odd}: unknown class 'trafic lihgt'; did you mean"
  check_fault(store, document, without(said, odd), fault, "'traffic light'")


@pytest.mark.parametrize(
  'digest', ['1-0123456789abcdef', '7', '-', 'x-y', '²-']
)
def test_requests_of_another_store_are_refused(store, document, digest):
  document.set_digest(digest)
  fault = f'24 points of the requests {digest}, which are not'
  check_fault(store, document, {}, fault)


def test_another_size_makes_other_requests_of_the_same_ids(store, document):
  size = (64, 256)
  verdict = people.check(store, document.text, document.format_name, size)
  assert verdict.accepted == []
  assert len(verdict.faults) == 1


def test_a_file_that_does_not_name_its_requests_is_taken(store, document, said):
  document.set_digest('')
  verdict, got = check(store, document)
  assert got == said
  assert verdict.faults == []


def test_requests_of_later_rounds_do_not_matter(store):
  first = store.requests()
  later = [x._replace(id=f'{x.id}0', round=2) for x in first]
  digest = points_lib.digest(first, SIZE)
  assert points_lib.digest([*first, *later], SIZE, 1) == digest
  assert points_lib.digest([*first, *later], SIZE) != digest


@pytest.mark.parametrize('document', ['label_studio', 'cvat'], indirect=True)
def test_a_moved_point_is_listed_and_counts(store, document, said):
  ids, entries = ids_of(document), document.entries()
  document.move(entries[2][1], 0.4, 128)
  document.move(entries[4][1], 3, 128)
  # Points that swapped places keep their answers.
  document.move(entries[6][1], -0.7, 128)
  verdict, got = check(store, document)
  assert got == said
  assert verdict.faults == []
  first, second = verdict.notes
  assert ids[4] in first
  assert 'moved by 3.0 pixels' in first
  assert ids[6] in second


@pytest.mark.parametrize('document', ['label_studio', 'csv'], indirect=True)
def test_people_who_disagree_settle_nothing(store, document):
  ids = ids_of(document)
  if document.format_name == 'csv':
    for row in list(document.rows):
      document.rows.append([row[0], row[1], 'ben', *row[3:]])
    document.rows[24 + 1][1] = 'bus'
  else:
    for task in document.tasks:
      mine = json.loads(json.dumps(task['annotations'][0]))
      mine['completed_by'] = 4
      task['annotations'].append(mine)
    second = document.tasks[0]['annotations'][1]
    second['result'][1]['value']['keypointlabels'] = ['bus']
  verdict, _ = check(store, document)
  (fault,) = verdict.faults
  assert ids[1] in fault
  assert 'disputed' in fault
  assert 'bus' in fault
  assert len(verdict.accepted) == 2 * 23
  assert {x.annotator for x in verdict.accepted} in (
    {'ana', 'ben'}, {'ana', 'user 4'},
  )  # fmt: skip


def test_a_faulty_file_is_refused_as_a_whole(store, document, tmp_path, capsys):
  entries = document.entries()
  _, copy = documents.repeat(entries[0])
  document.rename(copy, 'zebra-r1-c1')
  document.classify(entries[9][1], 'roads')
  path = tmp_path / people.FILES[document.format_name]
  path.write_text(document.text)
  answers = (store, path, document.format_name)
  refusal = saying.message(lambda: people.import_file(*answers))
  assert '2 faults among 25' in refusal
  assert store.counts().answered == 0
  listed = capsys.readouterr().err
  assert listed.count('faulty: ') == 2
  assert 'zebra-r1-c1' in listed
  assert "'roads'" in listed
  done = people.import_file(*answers, skip_faulty=True)
  assert (done.recorded, done.faulty) == (23, 2)
  assert store.counts().answered == 23
