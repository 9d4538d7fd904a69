"""Four AdvEnt steps against the published PyTorch code (see ../shared)."""

import functools

import jax
import numpy as np
import published
import pytest

from pointsup_jax.models import pretrained
from pointsup_jax.training import step
from pointsup_jax.types import Outputs
from pointsup_jax.uda import advent, strategy

pytestmark = pytest.mark.slow

# float32 drifts this far from float64 (reference/README.md).
TOLERANCES = (1e-5, 1e-4, 1e-3, 3e-3)


@pytest.fixture(scope='module')
def reference(shared):
  return np.load(shared / 'reference' / 'advent_reference.npz')


@pytest.fixture(scope='module')
def recipe(shared):
  return published.recipe(shared)


@pytest.fixture(scope='module')
def run(shared, recipe):
  """The states before and after four real steps, with their metrics."""
  players = published.learner()
  variables = pretrained.from_torch(published.segmenter_tensors(shared, recipe))
  method = advent.advent(strategy.Settings(Outputs(aux=0.0002, main=0.001)))
  init = jax.jit(functools.partial(players.init, players=method.players))
  state = init(jax.random.key(0), variables)
  for head, player in state.opponents.items():
    params = published.opponent_params(recipe, f'd_{head}')
    state.opponents[head] = player.replace(params=params)
  train_step = jax.jit(
    functools.partial(
      step.train_step,
      learner=players,
      strategy=method,
      supervision=step.Supervision(aux=0.1),
    )
  )
  before, history = state, []
  for i in range(4):
    state, metrics = train_step(state, published.batch_of(recipe, i))
    history.append(jax.device_get(metrics))
  return before, state, history


@pytest.mark.parametrize('i', range(4))
def test_every_loss_of_every_step(run, reference, i):
  _, _, history = run
  loss = {
    name.removeprefix('advent/loss/'): reference[name][i]
    for name in reference.files
    if name.startswith('advent/loss/')
  }
  expected = {
    'source_main': loss['seg_main'],
    'source_aux': loss['seg_aux'],
    'fool_main': loss['adv_main'],
    'fool_aux': loss['adv_aux'],
    'opponent_main': loss['d_main_source'] + loss['d_main_target'],
    'opponent_aux': loss['d_aux_source'] + loss['d_aux_target'],
  }
  for name, value in expected.items():
    np.testing.assert_allclose(
      history[i][name], value, rtol=TOLERANCES[i], err_msg=name
    )


def test_every_tensor_has_moved_as_far(run, reference):
  before, after = published.tensors(run[0]), published.tensors(run[1])
  names = [str(name) for name in reference['advent/param_names']]
  known = dict(zip(names, reference['advent/param_change_l2'], strict=True))
  norms = dict(zip(names, reference['advent/param_l2'], strict=True))
  for name in names:
    old, new = np.float64(before[name]), np.float64(after[name])
    np.testing.assert_allclose(
      np.linalg.norm(new), norms[name], rtol=1e-2, err_msg=name
    )
    np.testing.assert_allclose(
      np.linalg.norm(new - old), known[name], rtol=1e-2, atol=1e-9, err_msg=name
    )


def test_the_tensors_kept_whole(run, reference):
  after = published.tensors(run[1])
  for key in reference.files:
    if not key.startswith('advent/after/'):
      continue
    name = key.removeprefix('advent/after/')
    error = np.linalg.norm(after[name] - reference[key]) / np.linalg.norm(
      reference[key]
    )
    assert error < 1e-2, (name, error)
