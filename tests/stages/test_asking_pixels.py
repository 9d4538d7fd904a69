"""Stage 2 where single pixels are asked, on a network that nobody trained."""

import jax
import numpy as np
import pytest

from configs import streets_active
from pointsup_jax.acquisition import scores
from pointsup_jax.annotation import drawn
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.data import image_files
from pointsup_jax.evaluation import inference
from pointsup_jax.models import deeplab
from pointsup_jax.run import context, workdir
from pointsup_jax.stages import acquire, adapt

SIZE = (32, 64)


@pytest.fixture(scope='module')
def networks():
  """Variables of three networks, by the folder of the phase they stand for."""
  network = deeplab.DeepLabV2(19, (1, 1, 1, 1), 8, 'global')
  init = jax.jit(lambda key: deeplab.init(network, key))
  folders = ('uda', 'round_1', 'round_2', 'adapt')
  return {name: init(jax.random.key(i)) for i, name in enumerate(folders)}


@pytest.fixture
def begin(tmp_path, networks, monkeypatch):
  """Returns a function that makes a run, whose rounds follow each other."""
  monkeypatch.setattr(
    context.Run, 'trained', lambda run, phase: (7, networks[phase.root.name])
  )

  def make(name, round=1, **fields):
    config = streets_active.get_config()
    config.model.width = 8
    config.data.target.update(size=SIZE, length=3)
    config.acquire.update({'grid': (2, 4), 'k': 6, 'n': 2} | fields)
    rounds = config.acquire.rounds
    folder = workdir.Workdir(tmp_path / name, rounds, round)
    return context.open_run(config, folder)

  return make


def asked(run):
  """The points asked so far by image, in the order of asking."""
  found = {}
  with store_lib.Store(run.workdir.annotations) as store:
    for point in store.requests():
      rows, cols = run.config.acquire.grid
      height, width = SIZE[0] // rows, SIZE[1] // cols
      assert point.patch == point.row // height * cols + point.col // width
      path = run.workdir.pseudo_label(point.image)
      guesses = image_files.read_labels(path, SIZE)
      assert point.pseudo_label == guesses[point.row, point.col]
      found.setdefault(point.image, []).append((point.row, point.col))
  return found


@pytest.mark.parametrize('place', ['pixels', 'turns', 'sample'])
def test_no_pixel_is_asked_again_in_any_round(begin, place):
  how = {'rounds': 3, 'place': place, 'score': 'ripu'}
  for round in (1, 2, 3):
    acquire.ask(begin('run', round, **how))
    points = asked(begin('run', round, **how))
    assert [len(x) for x in points.values()] == [2 * round] * 3
  for image in points.values():
    assert len(set(image)) == 6
    apart = abs(np.array(image)[:, None] - np.array(image)).max(-1)
    if place != 'sample':
      assert (apart + 99 * np.eye(6)).min() > 1  # the radius of 32 rows is 1


@pytest.mark.parametrize('place', ['pixels', 'turns'])
def test_a_run_that_has_grown_asks_what_a_larger_one_asks(begin, place):
  run = begin('run', place=place, k=2)
  acquire.ask(run)
  with store_lib.Store(run.workdir.annotations) as store:
    store.answer_many({point.id: 3 for point in store.requests()}, 'ana')
  few = asked(run)
  # A command that was killed has asked more in one image already.
  grown = begin('run', place=place, k=5)
  one = next(iter(few))
  with store_lib.Store(run.workdir.annotations) as store:
    known = acquire.known(grown, store, list(few))
    assert not known.done.any()
    assert known.lacking.tolist() == [3, 3, 3]
  acquire.ask(grown)
  large = begin('large', place=place, k=5)
  acquire.ask(large)
  assert asked(grown) == asked(large)
  assert asked(grown)[one][:2] == few[one]
  acquire.ask(grown)
  assert asked(grown) == asked(large)
  with store_lib.Store(run.workdir.annotations) as store:
    assert store.counts().answered == 6


def test_a_round_that_was_stopped_asks_the_rest(begin):
  whole = begin('whole', place='turns')
  acquire.ask(whole)
  run = begin('run', place='turns')
  acquire.ask(run)
  with store_lib.Store(run.workdir.annotations) as store:
    last = store.requests()[-1].image
    for table in ('requests', 'scored', 'images'):
      store.database.query(f'DELETE FROM {table} WHERE image = ?', last)
  acquire.ask(run)
  assert asked(run) == asked(whole)


def test_disagreement_compares_the_models_of_two_rounds(begin, networks):
  how = {'rounds': 2, 'place': 'pixels', 'score': 'disagreement', 'k': 4}
  for round in (1, 2):
    run = begin('run', round, **how)
    acquire.ask(run)
  source = run.source('target', labelled=False)
  images = np.stack([source[i].image for i in range(3)])

  @jax.jit
  def look(variables):
    return inference.small_logits(run.segmenter(), variables, images)

  old, new = (look(networks[name]) for name in ('uda', 'round_1'))
  expected = {
    1: scores.maps('entropy', scores.Seen(old), SIZE),
    2: scores.maps('disagreement', scores.Seen(new, before=old), SIZE),
  }
  with store_lib.Store(run.workdir.annotations) as store:
    points = store.requests()
  assert len(points) == 12
  for point in points:
    image = source.names.index(point.image)
    score = expected[point.round].scores[image, point.row, point.col]
    assert point.score == pytest.approx(float(score), abs=1e-5)


def test_guesses_lie_where_the_store_says(begin):
  """Not where a later version would draw them."""
  run = begin('run', place='pixels')
  run.config.adapt.pseudo_labels = 'points'
  acquire.ask(run)
  names = run.source('target', labelled=False).names
  points = adapt.guessed_points(run, names)
  assert points.shape == (3, 8, 2, 2)
  with store_lib.Store(run.workdir.annotations) as store:
    moved = {name: points[i] + 1 for i, name in enumerate(names)}
    drawn.Drawn(store.database).keep(moved)
  np.testing.assert_array_equal(adapt.guessed_points(run, names), points + 1)
  # They are drawn anew if there are to be more of them.
  run.config.acquire.n = 3
  assert adapt.guessed_points(run, names).shape == (3, 8, 3, 2)
  run.config.adapt.pseudo_labels = 'none'
  assert adapt.guessed_points(run, names).shape == (3, 8, 0, 2)
