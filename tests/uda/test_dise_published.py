"""DISE against two steps of the published code (see ../shared)."""

import dataclasses
import functools

import dise_reference
import dot_convolutions
import jax
import numpy as np
import published
import pytest

from pointsup_jax.losses import segmentation
from pointsup_jax.training import step
from pointsup_jax.uda import dise

pytestmark = pytest.mark.slow

# Beside the losses of one name: the opponents' are not halved there.
OPPONENTS = {'aux': 'd_dclf1', 'main': 'd_dclf2'}
IMAGES = ('dis_s2t', 'dis_t2s')  # opponents that move in every fifth step


@pytest.fixture(scope='module')
def recipe(shared):
  return published.recipe(shared)


@pytest.fixture(scope='module')
def reference(shared):
  return np.load(shared / 'reference' / 'uda' / 'dise.npz')


@pytest.fixture(scope='module', autouse=True)
def published_scales():
  """Images are not multiplied by 128; all pixels count, ignored ones too."""
  pixels = dise_reference.BATCH * np.prod(dise_reference.SIZE)
  with pytest.MonkeyPatch.context() as patched:
    patched.setattr(dise, 'SCALE', 1.0)
    patched.setattr(segmentation, 'mean', lambda total, _: total / pixels)
    yield


def train_step(game, method):
  """Not compiled: that takes longer than operations one by one."""
  return functools.partial(
    step.train_step,
    learner=game,
    strategy=method,
    supervision=step.Supervision(aux=0.1),
  )


def assert_losses(reference, number, metrics, rtol):
  """All losses that the reference has of a step."""
  found = {
    f'loss_{theirs}': metrics[ours]
    for ours, theirs in dise_reference.LOSSES.items()
  }
  for head, theirs in OPPONENTS.items():
    found[f'loss_{theirs}'] = 2 * metrics[f'opponent_{head}']
  found['total_loss'] = metrics['loss']
  compared = 0
  for name, loss in found.items():
    if (known := f'step{number}/{name}') in reference:
      np.testing.assert_allclose(loss, reference[known], rtol, err_msg=known)
      compared += 1
  assert compared == (17 if number == 0 else 15)


@pytest.fixture(scope='module')
def steps(shared, recipe):
  """The losses and moves of both steps, in float64."""
  with pytest.MonkeyPatch.context() as patched, jax.enable_x64(True):
    dot_convolutions.use(patched)
    game = dise_reference.learner(np.float64)
    # Less memory: the backward pass recomputes blocks.
    game = dataclasses.replace(game, segmenter=game.segmenter.clone(remat=True))
    take = train_step(game, dise.dise(dise_reference.PUBLISHED))
    state = dise_reference.state(shared, recipe, game, np.float64)
    found = []
    for number in range(2):
      before = state
      pair = dise_reference.pair(recipe, number, np.float64)
      state, metrics = take(before, jax.device_put(pair))
      moved = dise_reference.moved(before, state)
      found.append((jax.device_get(metrics), moved))
  return found


@pytest.mark.parametrize('number', [0, 1])
def test_every_loss_of_both_steps_in_float64(steps, reference, number):
  metrics, _ = steps[number]
  assert_losses(reference, number, metrics, 1e-9)


@pytest.mark.parametrize('number', [0, 1])
@pytest.mark.parametrize(
  'player', ['enc_shared', 'enc_s', 'enc_t', 'dec', 'dclf1', 'dclf2', *IMAGES]
)
def test_the_lengths_of_gradients_and_moves(steps, reference, number, player):
  """Of each tensor; before batch norm, gradients of biases are rounding."""
  _, moved = steps[number]
  for kind, found in zip(
    ('grad_norm', 'change_norm'), moved[player], strict=True
  ):
    if player in IMAGES and number and kind == 'grad_norm':
      continue  # they do not move, and the reference repeats step 0's
    for name, known in zip(
      reference[f'names/{player}'],
      reference[f'step{number}/{kind}/{player}'],
      strict=True,
    ):
      np.testing.assert_allclose(
        found[name], known, rtol=1e-8, atol=1e-12, err_msg=f'{kind} {name}'
      )
