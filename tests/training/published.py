"""Networks and images of the published steps (../shared/reference)."""

import functools
import importlib.util
import itertools
import json

import numpy as np

from pointsup_jax.models import deeplab, pretrained
from pointsup_jax.training import learner as learner_lib
from pointsup_jax.training import optimizers
from pointsup_jax.types import Batch, Pair
from pointsup_jax.uda import strategy

CLASSES = 19


def recipe(shared):
  """The module that makes all tensors from their names."""
  spec = importlib.util.spec_from_file_location(
    'recipe', shared / 'reference' / 'recipe.py'
  )
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


def segmenter_tensors(shared, recipe, aux_reads='conv4'):
  shapes = json.loads(
    (shared / 'reference' / 'deeplab_v2_resnet101_multi_keys.json').read_text()
  )
  if aux_reads == 'conv5':
    for name in shapes:
      if name.startswith('layer5'):
        shapes[name] = shapes[name.replace('layer5', 'layer6')]
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


def learner(
  *, decay_steps=250_000, warmup_steps=0, repeat=True, aux_reads='conv4'
):
  poly = functools.partial(
    optimizers.poly,
    power=0.9,
    decay_steps=decay_steps,
    warmup_steps=warmup_steps,
  )
  return learner_lib.Learner(
    segmenter=deeplab.DeepLabV2(CLASSES, aux_reads=aux_reads),
    sizes=strategy.Sizes(CLASSES, 64, conv4=1024, conv5=2048, width=64),
    target_statistics=False,
    segmenter_tx=optimizers.segmenter(
      poly(2.5e-4),
      head_lr_scale=10.0,
      momentum=0.9,
      weight_decay=5e-4,
      repeat=repeat,
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


def assert_moved(before, after, reference, column, step, name):
  """The norm of a tensor, and of its move in a step, are as published."""
  for value, key in ((after, 'norm'), (after - before, 'moved')):
    np.testing.assert_allclose(
      np.linalg.norm(value),
      reference[key][step, column],
      rtol=1e-2,
      atol=1e-9,
      err_msg=f'{key} {name} {step}',
    )
