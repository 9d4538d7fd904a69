"""Four AdvEnt steps against the published PyTorch code (see ../shared)."""

import functools
import importlib.util
import itertools
import json

import jax
import numpy as np
import pytest

from pointsup_jax.models import deeplab, pretrained
from pointsup_jax.training import learner, optimizers, step
from pointsup_jax.types import Batch, Outputs, Pair
from pointsup_jax.uda import advent, strategy

# float32 drifts this far from float64 (reference/README.md).
TOLERANCES = (1e-5, 1e-4, 1e-3, 3e-3)
CLASSES = 19


@pytest.fixture(scope='module')
def reference(shared):
  return np.load(shared / 'reference' / 'advent_reference.npz')


@pytest.fixture(scope='module')
def recipe(shared):
  spec = importlib.util.spec_from_file_location(
    'recipe', shared / 'reference' / 'recipe.py'
  )
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


def segmenter_tensors(shared, recipe):
  shapes = json.loads(
    (shared / 'reference' / 'deeplab_v2_resnet101_multi_keys.json').read_text()
  )
  return {
    name: recipe.tensor('segmenter', name, shape)
    for name, shape in shapes.items()
    if not name.endswith('num_batches_tracked')
  }


def opponent_params(recipe, player):
  """Renames torch's layers: conv2 is its '2'."""
  widths = (CLASSES, 64, 128, 256, 512, 1)
  params = {}
  for layer, (inside, outside) in enumerate(itertools.pairwise(widths)):
    kernel = recipe.tensor(
      player, f'{2 * layer}.weight', (outside, inside, 4, 4)
    )
    bias = recipe.tensor(player, f'{2 * layer}.bias', (outside,))
    params[f'conv{2 * layer}'] = {
      'kernel': kernel.transpose(2, 3, 1, 0),
      'bias': bias,
    }
  return params


def published_learner():
  poly = functools.partial(optimizers.poly, power=0.9, decay_steps=250_000)
  return learner.Learner(
    segmenter=deeplab.DeepLabV2(CLASSES),
    sizes=strategy.Sizes(CLASSES, 64, conv4=1024, conv5=2048, width=64),
    target_statistics=False,
    segmenter_tx=optimizers.segmenter(
      poly(2.5e-4),
      head_lr_scale=10.0,
      momentum=0.9,
      weight_decay=5e-4,
      repeat=True,
    ),
    optimizers={'opponent': optimizers.opponent(poly(1e-4))},
  )


def batch_of(recipe, i):
  size = (96, 160)
  return Pair(
    Batch(recipe.image(f'source{i}', *size), recipe.labels(f'label{i}', *size)),
    Batch(
      recipe.image(f'target{i}', 64, 128), np.full((1, 64, 128), 255, np.uint8)
    ),
  )


@pytest.fixture(scope='module')
def run(shared, recipe):
  """The states before and after four real steps, with their metrics."""
  players = published_learner()
  variables = pretrained.from_torch(segmenter_tensors(shared, recipe))
  method = advent.advent(strategy.Settings(Outputs(aux=0.0002, main=0.001)))
  init = jax.jit(functools.partial(players.init, players=method.players))
  state = init(jax.random.key(0), variables)
  for head, player in state.opponents.items():
    params = opponent_params(recipe, f'd_{head}')
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
    state, metrics = train_step(state, batch_of(recipe, i))
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


def tensors(state):
  """All trained tensors, under torch's names and in its layout."""
  found = pretrained.to_torch(state.segmenter)
  for head, player in state.opponents.items():
    for layer, params in player.params.items():
      name = f'd_{head}.{layer.removeprefix("conv")}'
      found[f'{name}.weight'] = np.asarray(params['kernel']).transpose(
        3, 2, 0, 1
      )
      found[f'{name}.bias'] = np.asarray(params['bias'])
  return found


def test_every_tensor_has_moved_as_far(run, reference):
  before, after = tensors(run[0]), tensors(run[1])
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
  after = tensors(run[1])
  for key in reference.files:
    if not key.startswith('advent/after/'):
      continue
    name = key.removeprefix('advent/after/')
    error = np.linalg.norm(after[name] - reference[key]) / np.linalg.norm(
      reference[key]
    )
    assert error < 1e-2, (name, error)
