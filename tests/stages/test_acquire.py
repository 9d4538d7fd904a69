"""What a round still has to ask, and what is known from elsewhere."""

import json
import types

import numpy as np
import pytest

from configs import streets_active
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.data import image_files
from pointsup_jax.run import carrying, config_file, workdir
from pointsup_jax.run import context as run_lib
from pointsup_jax.stages import adapt, requesting

SIZE, GRID = (32, 64), (2, 4)
NAMES = ('a', 'b', 'c')


@pytest.fixture
def begin(tmp_path):
  """Returns a function that makes a run whose images are scored."""

  def make(name, **fields):
    config = streets_active.get_config()
    config.data.target.size = SIZE
    config.annotate.oracle = 'human'
    config.acquire.update({'grid': GRID, 'k': 2, 'n': 2} | fields)
    folder = workdir.Workdir(tmp_path / name, rounds=config.acquire.rounds)
    run = run_lib.Run(config, folder, classes_lib.CITYSCAPES)
    config_file.claim(folder, config, run.classes)
    for image in NAMES:
      path = folder.pseudo_label(image)
      image_files.write_labels(path, np.full(SIZE, 5, np.uint8))
    score(run)
    return run

  return make


def score(run):
  random = np.random.default_rng(run.workdir.round)
  with opened(run) as store:
    for name in NAMES:
      scores = random.random(GRID[0] * GRID[1])
      store.add_image(name, SIZE, scores, [], run.workdir.round)


def opened(run):
  return store_lib.Store(run.workdir.annotations)


def ask(run, **fields):
  """Asks for the rest; returns the points asked so far by patch."""
  run.config.acquire.update(fields)
  source = types.SimpleNamespace(names=NAMES)
  with opened(run) as store:
    requesting.ask_for_rest(run, source, store, step=7)
    carrying.take_in_earlier(run, store)
    patches = {}
    for request in store.requests():
      key = (request.image, request.patch)
      patches.setdefault(key, set()).add((request.row, request.col))
    return patches


@pytest.mark.parametrize(
  ('small', 'large'),
  [
    ({'k': 2}, {'k': 3}),
    ({'budget': 8}, {'budget': 14}),
    ({'budget': 8, 'strategy': 'random'}, {'budget': 9, 'strategy': 'random'}),
  ],
)
def test_a_run_that_has_grown_asks_what_a_larger_one_asks(begin, small, large):
  grown = begin('grown', **small)
  before = ask(grown)
  with opened(grown) as store:
    store.answer_many({x.id: 1 for x in store.requests()}, 'ana')
  after = ask(grown, **large)
  assert before.items() <= after.items()
  assert after == ask(begin('large', **large))
  assert ask(grown) == after
  with opened(grown) as store:
    given = sum(map(len, before.values()))
    assert store.counts().answered == given


def test_more_points_a_patch_are_asked_beside_the_old_ones(begin):
  run = begin('run')
  before = ask(run)
  after = ask(run, n=5)
  assert after.keys() == before.keys()
  for patch, points in after.items():
    assert len(points) == 5
    assert before[patch] < points
  assert ask(run) == after


def test_with_a_budget_more_points_a_patch_are_those_of_new_patches(begin):
  run = begin('run', budget=8)
  before = ask(run)
  after = ask(run, budget=16, n=3)
  assert before.items() < after.items()
  assert [len(after[x]) for x in after.keys() - before.keys()] == [3, 3]


@pytest.mark.parametrize('fields', [{'k': 4}, {'budget': 24}])
def test_a_further_round_asks_for_the_rest(begin, fields):
  run = begin('run', k=2, budget=fields.get('budget', 0) // 2)
  before = ask(run)
  later = run_lib.Run(
    run.config, workdir.Workdir(run.workdir.root, 2, 2), run.classes
  )
  score(later)
  after = ask(later, rounds=2, **fields)
  assert before.items() < after.items()
  assert len(after) == 2 * len(before)


def kept(run, points, label=3, annotator='ana'):
  """Leaves answers of an earlier run in a workdir."""

  def fill(part):
    folder = workdir.Workdir(part)
    folder.annotations.parent.mkdir()
    with store_lib.Store(folder.annotations) as store:
      for image in dict.fromkeys(point.image for point in points):
        mine = [point for point in points if point.image == image]
        store.add_image(image, SIZE, [0.5], mine)
      store.answer_many({x.id: label for x in points}, annotator)

  carrying.put_aside(run.workdir, fill)


@pytest.mark.parametrize('version', [config_file.VERSION, 1])
def test_nobody_is_asked_again_what_was_answered_before(begin, capsys, version):
  first = begin('first', k=3)
  ask(first)
  with opened(first) as store:
    points = [x for x in store.requests() if x.image != 'c']
  run = begin('second', k=2)
  kept(run, points)
  (earlier,) = carrying.earlier(run.workdir)
  known = json.loads(earlier.config.read_text())
  earlier.config.write_text(json.dumps(known | {'version': version}))
  asked = ask(run)
  with opened(run) as store:
    # Of two images, everything is answered, also a patch that is not asked.
    assert {x.image for x in store.unanswered()} == {'c'}
    assert store.counts().answered == 12
    assert sum(map(len, asked.values())) == 2 * 2 * 3 + 4
    assert store.asked_before(2).keys() == set(NAMES)
    added = [x for x in store.requests() if not x.round]
  assert len(added) == 4
  assert '12 answers of people carried over' in capsys.readouterr().err
  # Stage 3 learns from all of them, and guesses still count beside the added.
  patches, answers = adapt.read_answers(run, NAMES)
  assert len(answers) == 12
  assert patches.sum() == 2 * 3
  # A round that asks them later takes their answers.
  ask(run, k=3)
  with opened(run) as store:
    assert not [x for x in store.requests() if not x.round]
    assert store.counts().answered == 12


def test_later_answers_of_a_person_count_and_none_comes_back(begin):
  first = begin('first')
  ask(first)
  with opened(first) as store:
    one, two, *_ = store.requests()
  run = begin('second')
  kept(run, [one, two], label=3)
  kept(run, [one], label=4)
  ask(run)
  with opened(run) as store:
    assert store.current_answers()[one.id].label == 4
    store.mark(two.id, 'undo', 'ana')
  ask(run)
  with opened(run) as store:
    assert two.id not in store.current_answers()


def test_stage_3_goes_on_with_the_answers_that_it_began_with(begin, capsys):
  run = begin('run')
  ask(run)
  with opened(run) as store:
    one, two, *_ = store.requests()
    store.answer(one.id, 3, 'ana')
  _, began = adapt.read_answers(run, NAMES)
  with opened(run) as store:
    store.answer(two.id, 3, 'ana')
    store.answer(one.id, 9, 'ben')
  _, again = adapt.read_answers(run, NAMES)
  np.testing.assert_array_equal(began, again)
  adapt.answers_used.say_newer(run)
  said = capsys.readouterr().err
  assert 'began with 1 answers; 2 points were answered since' in said
  assert f'delete {run.workdir.adapt.root} to train' in said
