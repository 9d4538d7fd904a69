import contextlib
import itertools

import numpy as np
import people
import pytest

from pointsup_jax.acquisition import targets
from pointsup_jax.annotation import records
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.annotation.exchange.formats import words as words_lib
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.data import palettes

SIZES = [(769, 1023), (1052, 1914), (7, 5)]
ODD_CLASSES = words_lib.Words(
  classes_lib.ClassSet(
    ('void', 'unsure', 'a, "b"; c', '<&>', 'größe', "it's", '1'),
    palettes.distinct(7),
  )
)


@pytest.fixture
def open_store(tmp_path):
  numbers = itertools.count()
  with contextlib.ExitStack() as stack:
    yield lambda: stack.enter_context(
      store_lib.Store(tmp_path / f'{next(numbers)}.sqlite', 19)
    )


def random_answers(store, words, rng):
  """Words for about three in four points: classes, unsure and void."""
  return {
    request.id: str(rng.choice(words.answers))
    for request in store.requests()
    if rng.random() < 0.75
  }


@pytest.mark.parametrize('format_name', people.READABLE)
def test_random_answers_to_random_points_come_back(format_name, open_store):
  rng = np.random.default_rng(0)
  for seed, (size, words) in enumerate(
    itertools.product(SIZES, (people.CITYSCAPES, ODD_CLASSES))
  ):
    store = open_store()
    people.fill(store, size, people.ODD_NAMES, 20, seed)
    shown = tuple(int(x) for x in rng.integers(3, 3000, 2))
    said = random_answers(store, words, rng)
    text = people.export(store, format_name, size, words, shown)
    text = people.answer(text, format_name, said)
    verdict = people.check(store, text, format_name, size, words)
    assert verdict.faults == verdict.notes == []
    got = {x.request: words.of(x.label) for x in verdict.accepted}
    assert got == said
    if format_name != 'label_studio_points':  # skipped tasks leave nothing
      assert verdict.untouched == len(store.requests()) - len(said)


@pytest.mark.parametrize('format_name', people.READABLE)
def test_untouched_points_are_unanswered(format_name, store):
  people.fill(store, (64, 128), ['a', 'b'], 10)
  text = people.export(store, format_name, (64, 128))
  text = people.answer(text, format_name, {})
  verdict = people.check(store, text, format_name, (64, 128))
  assert verdict.accepted == verdict.faults == verdict.notes == []


@pytest.mark.parametrize('format_name', ['label_studio', 'cvat'])
@pytest.mark.parametrize('shown', [(769, 1023), (1052, 1914), (100, 99)])
def test_each_row_and_column_is_shown_where_asked(format_name, shown, store):
  size = (385, 1023)
  requests = [people.request('a', i % 385, i) for i in range(1023)]
  store.add_image('a', size, 0.5, requests)
  text = people.export(store, format_name, size, shown=shown)
  text = people.answer(text, format_name, {})
  found = {
    given.point: tuple(
      min(int(share * n), n - 1)
      for share, n in zip(given.position, size, strict=True)
    )
    for given in people.read(text, format_name)
  }
  assert found == {r.id: (r.row, r.col) for r in requests}


def test_csv_brings_back_people_and_times_too(open_store):
  store, other = open_store(), open_store()
  rng = np.random.default_rng(1)
  for each in (store, other):
    people.fill(each, (64, 128), people.ODD_NAMES, 8)
  for request in store.requests()[5:]:
    label = [None, 255, 3][rng.integers(3)]
    person = str(rng.choice(['ana', 'b, c', 'ö']))
    seconds = [None, 1.25, float(rng.random())][rng.integers(3)]
    kind = 'unsure' if label is None else 'label'
    store.record([records.Entry(request.id, kind, label, person, seconds)])
  text = people.export(store, 'csv', (64, 128), which='all')
  verdict = people.check(other, text, 'csv', (64, 128))
  assert verdict.faults == []
  other.record(verdict.accepted)
  assert other.current_answers() == store.current_answers()
  assert other.counts().answered == len(store.requests()) - 5


@pytest.mark.parametrize('format_name', people.READABLE)
def test_answers_train_the_same_either_way(format_name, open_store, tmp_path):
  rng = np.random.default_rng(2)
  size, names, words = (64, 128), ['a', 'b/c'], people.CITYSCAPES
  direct, imported = open_store(), open_store()
  for store in (direct, imported):
    people.fill(store, size, names, 30)
  said = random_answers(direct, words, rng)
  for id_, word in said.items():
    label = words.label(word)
    if label is None:
      direct.mark(id_, 'unsure', 'ana')
    else:
      direct.answer(id_, label, 'ana')
  path = tmp_path / people.FILES[format_name]
  text = people.export(imported, format_name, size, shown=(129, 255))
  path.write_text(people.answer(text, format_name, said))
  done = people.import_file(imported, path, format_name, size)
  assert done.recorded == len(said)

  def maps(store, image):
    pseudo = np.random.default_rng(3).integers(0, 19, size).astype(np.uint8)
    labels, _ = targets.target_labels(
      pseudo,
      points=np.zeros((1, 1, 2), int),
      asked=(),
      answers=store.answered(image),
      mode='dense',
      grid=(1, 1),
    )
    return labels.tobytes()

  assert [maps(direct, x) for x in names] == [maps(imported, x) for x in names]


def test_an_import_that_is_repeated_adds_nothing(store, tmp_path):
  people.fill(store, (64, 128), ['a'], 6)
  ids = [request.id for request in store.requests()]
  text = people.export(store, 'label_studio', (64, 128))
  path = tmp_path / 'a.json'
  for count, expected in ((3, (3, 0)), (3, (0, 3)), (6, (3, 3))):
    said = dict.fromkeys(ids[:count], 'car')
    path.write_text(people.answer(text, 'label_studio', said))
    done = people.import_file(store, path, 'label_studio')
    assert (done.recorded, done.known) == expected
  # An answer that was undone is imported again.
  store.mark(ids[0], 'undo', 'ana')
  done = people.import_file(store, path, 'label_studio')
  assert (done.recorded, done.known) == (1, 5)


@pytest.mark.parametrize('format_name', people.READABLE)
def test_an_import_says_how_much_it_disputes(
  store, tmp_path, capsys, format_name
):
  people.fill(store, (64, 128), ['a'], 6)
  ids = [request.id for request in store.requests()]
  text = people.export(store, format_name, (64, 128))
  for id_, label in zip(ids, (13, 13, 2, 255), strict=False):
    store.answer(id_, label, 'eva', how=records.How(mode='blind'))
  store.mark(ids[4], 'unsure', 'eva')
  before = store.current_answers()
  path = tmp_path / people.FILES[format_name]
  path.write_text(people.answer(text, format_name, dict.fromkeys(ids, 'car')))
  done = people.import_file(store, path, format_name)
  assert done.recorded == 6
  assert store.current_answers() | before == store.current_answers()
  said = capsys.readouterr().err
  assert '5 points had answers of others, which still hold; 2 of' in said
  people.import_file(store, path, format_name)
  assert 'still hold' not in capsys.readouterr().err


def test_time_of_a_task_is_shared_among_its_points(store):
  people.fill(store, (64, 128), ['a'], 5)
  said = {request.id: 'car' for request in store.requests()}
  for name, total in (('label_studio', 2.5), ('label_studio_points', 12.5)):
    text = people.answer(people.export(store, name, (64, 128)), name, said)
    accepted = people.check(store, text, name, (64, 128)).accepted
    assert sum(x.seconds for x in accepted) == pytest.approx(total)
    assert {x.annotator for x in accepted} == {'ana'}
