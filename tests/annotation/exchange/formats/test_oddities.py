"""Each oddity in a file gets its line, and touches no other point."""

import json

import documents
import numpy as np
import people
import pytest
import saying

from pointsup_jax.annotation import store as store_lib
from pointsup_jax.annotation.exchange import importing
from pointsup_jax.annotation.exchange.formats import exchanged as points_lib

SIZE = (64, 128)
SUFFIXES = {'label_studio': '.json', 'cvat': '.xml', 'csv': '.csv'}


@pytest.fixture
def store(tmp_path):
  with store_lib.Store(tmp_path / 'annotations.sqlite', 19) as store:
    people.fill(store, SIZE, ['a', 'b/c'], 12)
    yield store


@pytest.fixture
def said(store):
  names = people.CITYSCAPES.answers
  return {
    request.id: names[i % len(names)]
    for i, request in enumerate(store.requests())
  }


@pytest.fixture(params=sorted(documents.DOCUMENTS))
def format_name(request):
  return request.param


@pytest.fixture
def document(store, said, format_name):
  """Everything answered by ana."""
  text = people.export(store, format_name, SIZE)
  return documents.DOCUMENTS[format_name](
    people.answer(text, format_name, said)
  )


def check(store, document, format_name):
  verdict = people.check(store, document.text, format_name, SIZE)
  words = people.CITYSCAPES
  return verdict, {x.request: words.of(x.label) for x in verdict.accepted}


def ids_of(store, document, format_name):
  """The point of each entry."""
  return [given.point for given in people.read(document.text, format_name)]


def test_order_means_nothing(store, document, format_name, said):
  document.shuffle(np.random.default_rng(0))
  assert ids_of(store, document, format_name) != list(said)
  verdict, got = check(store, document, format_name)
  assert got == said
  assert verdict.faults == verdict.notes == []


def test_a_deleted_point_is_unanswered(store, document, format_name, said):
  gone = ids_of(store, document, format_name)[3]
  documents.remove(document.entries()[3])
  verdict, got = check(store, document, format_name)
  assert got == {k: v for k, v in said.items() if k != gone}
  assert verdict.faults == verdict.notes == []


def test_an_answer_given_twice_counts_once(store, document, format_name, said):
  twice = ids_of(store, document, format_name)[5]
  documents.repeat(document.entries()[5])
  verdict, got = check(store, document, format_name)
  assert got == said
  (fault,) = verdict.faults
  assert twice in fault
  assert 'answered 2 times' in fault


def test_a_person_s_two_answers_are_none(store, document, format_name, said):
  twice = ids_of(store, document, format_name)[5]
  _, copy = documents.repeat(document.entries()[5])
  document.classify(copy, 'bus')
  verdict, got = check(store, document, format_name)
  assert got == {k: v for k, v in said.items() if k != twice}
  (fault,) = verdict.faults
  assert twice in fault
  assert 'bus' in fault


def test_a_point_never_asked_is_listed(store, document, format_name, said):
  _, copy = documents.repeat(document.entries()[0])
  document.rename(copy, 'b/c-r999-c1')
  verdict, got = check(store, document, format_name)
  assert got == said
  (fault,) = verdict.faults
  assert 'b/c-r999-c1: was never asked' in fault


@pytest.mark.parametrize('id_', ['', 'aB3_xY-9kQ'])
def test_an_added_point_is_listed(store, document, format_name, said, id_):
  _, copy = documents.repeat(document.entries()[0])
  document.rename(copy, id_)
  verdict, got = check(store, document, format_name)
  assert got == said
  (fault,) = verdict.faults
  assert 'added by hand' in fault


def test_an_unknown_class_is_listed(store, document, format_name, said):
  odd = ids_of(store, document, format_name)[7]
  document.classify(document.entries()[7][1], 'trafic lihgt')
  verdict, got = check(store, document, format_name)
  assert got == {k: v for k, v in said.items() if k != odd}
  (fault,) = verdict.faults
  assert f"{odd}: unknown class 'trafic lihgt'; did you mean" in fault
  assert "'traffic light'" in fault


@pytest.mark.parametrize(
  'digest', ['1-0123456789abcdef', '7', '-', 'x-y', '²-']
)
def test_requests_of_another_store_are_refused(
  store, document, format_name, digest
):
  document.set_digest(digest)
  verdict, got = check(store, document, format_name)
  assert got == {}
  faults = verdict.faults
  assert len(faults) == 1
  assert f'24 points of the requests {digest}, which are not' in faults[0]


def test_another_size_makes_other_requests_of_the_same_ids(
  store, document, format_name
):
  verdict = people.check(store, document.text, format_name, (64, 256))
  assert verdict.accepted == []
  assert len(verdict.faults) == 1


def test_a_file_that_does_not_name_its_requests_is_taken(
  store, document, format_name, said
):
  document.set_digest('')
  verdict, got = check(store, document, format_name)
  assert got == said
  assert verdict.faults == []


def test_requests_of_later_rounds_do_not_matter(
  store, document, format_name, said
):
  later = [
    request._replace(id=f'{request.id}0', round=2)
    for request in store.requests()
  ]
  requests = [*store.requests(), *later]
  assert points_lib.digest(requests, SIZE, 1) == points_lib.digest(
    store.requests(), SIZE
  )
  assert points_lib.digest(requests, SIZE) != points_lib.digest(
    store.requests(), SIZE
  )


def test_a_moved_point_is_listed_and_counts(store, document, format_name, said):
  if format_name == 'csv':
    pytest.skip('a CSV has no positions')
  ids, entries = ids_of(store, document, format_name), document.entries()
  document.move(entries[2][1], 0.4, 128)
  document.move(entries[4][1], 3, 128)
  # Two points that changed places keep their answers.
  document.move(entries[6][1], -0.7, 128)
  verdict, got = check(store, document, format_name)
  assert got == said
  assert verdict.faults == []
  first, second = verdict.notes
  assert ids[4] in first
  assert 'moved by 3.0 pixels' in first
  assert ids[6] in second


@pytest.mark.parametrize('format_name', ['label_studio', 'csv'], indirect=True)
def test_people_who_disagree_settle_nothing(store, document, format_name, said):
  ids = ids_of(store, document, format_name)
  if format_name == 'csv':
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
  verdict, _ = check(store, document, format_name)
  (fault,) = verdict.faults
  assert ids[1] in fault
  assert 'disputed' in fault
  assert 'bus' in fault
  assert len(verdict.accepted) == 2 * 23
  assert {x.annotator for x in verdict.accepted} in (
    {'ana', 'ben'}, {'ana', 'user 4'},
  )  # fmt: skip


def test_a_file_with_faults_is_refused_as_a_whole(
  store, document, format_name, said, tmp_path, capsys
):
  entries = document.entries()
  _, copy = documents.repeat(entries[0])
  document.rename(copy, 'zebra-r1-c1')
  document.classify(entries[9][1], 'roads')
  path = tmp_path / f'answers{SUFFIXES[format_name]}'
  path.write_text(document.text)

  def import_(**options):
    return importing.import_file(
      store, path, format_name, size=SIZE, words=people.CITYSCAPES, **options
    )

  assert '2 faults among 25' in saying.message(import_)
  assert store.counts().answered == 0
  listed = capsys.readouterr().err
  assert listed.count('faulty: ') == 2
  assert 'zebra-r1-c1' in listed
  assert "'roads'" in listed
  done = import_(skip_faulty=True)
  assert (done.recorded, done.faulty) == (23, 2)
  assert store.counts().answered == 23
