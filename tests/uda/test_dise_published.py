"""DISE against the first step of the published code (see ../shared)."""

import dataclasses
import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import published
import pytest

from pointsup_jax.losses import segmentation
from pointsup_jax.models import deeplab, pretrained
from pointsup_jax.training import learner, optimizers, step
from pointsup_jax.types import Batch, Outputs, Pair
from pointsup_jax.uda import dise, strategy

PUBLISHED = strategy.Settings(Outputs(aux=0.0002, main=0.001), vgg='a file')
CLASSES, BATCH, SIZE = 19, 2, (64, 128)
# Ours, and the reference's names.
PLAYERS = {
  'texture_source': 'enc_s',
  'texture_target': 'enc_t',
  'decoder': 'dec',
  'aux': 'dclf1',
  'main': 'dclf2',
  'image_target': 'dis_s2t',
  'image_source': 'dis_t2s',
  'features': 'vgg19',
}
LOSSES = {
  'source_aux': 's_sg1',
  'source_main': 's_sg2',
  'translated_aux': 's2t_sg1',
  'translated_main': 's2t_sg2',
  'fool_aux': 'feat1_similarity',
  'fool_main': 'feat2_similarity',
  'rebuilt_source': 'rec_s',
  'rebuilt_target': 'rec_t',
  'perceived_target': 'rec_s2t',
  'perceived_source': 'rec_t2s',
  'fool_image_target': 'gen_s2t',
  'fool_image_source': 'gen_t2s',
  'opponent_image_target': 'd_s2t',
  'opponent_image_source': 'd_t2s',
}


def torch_name(player, module, leaf):
  """The published name of a tensor."""
  if player == 'features':
    return f'features.{module.removeprefix("conv")}.{field(leaf)}'
  if player.startswith('texture'):
    if module == 'code':
      return f'model.2.{field(leaf)}'
    layer = 3 * int(module[-1]) + module.startswith('bn')
    # `names/enc_s` has cnn.N; the weights were drawn by their other name.
    return f'model.0.{layer}.{field(leaf)}'
  if player != 'decoder':
    inner = '' if module == 'conv4' else '.conv'
    return f'feature.{module[-1]}{inner}.{field(leaf)}'
  if module.startswith('texture'):
    return f'mlp_att.{2 * int(module[-1])}.{field(leaf)}'
  if module == 'image':
    return f'main.2.12.{field(leaf)}'
  if module.startswith('up'):
    return f'main.2.{4 * int(module[-1])}.{field(leaf)}'
  module, _, norm = module.partition('_norm')[0], None, '_norm' in module
  if module == 'first':
    place = 'main.0'
  elif module.startswith('smooth'):
    place = f'main.2.{4 * int(module[-1]) + 3}'
  else:
    block, part = module.removeprefix('block').split('_')
    place = f'main.1.model.{block}.model.{part}'
  return f'{place}.norm.{leaf}' if norm else f'{place}.conv.{field(leaf)}'


def field(leaf):
  return 'weight' if leaf in ('kernel', 'scale') else leaf


def swapped(module, array):
  """Between flax's layout of a kernel and torch's, in either direction."""
  if array.ndim == 2:
    return array.T[..., None, None] if module == 'code' else array.T
  if array.ndim != 4:
    return array
  if module.startswith('up'):
    return array[::-1, ::-1].transpose(2, 3, 0, 1)
  return array.transpose(3, 2, 0, 1)


def back(module, array):
  if module == 'code' and array.ndim == 4:
    return array[..., 0, 0].T
  if module.startswith('up'):
    return array.transpose(2, 3, 0, 1)[::-1, ::-1]
  return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T


def published_params(recipe, player, params):
  """The reference's weights of a player, in the structure of `params`."""

  def made(path, leaf):
    module, leaf_name = (str(part.key) for part in path)
    name = torch_name(player, module, leaf_name)
    shape = swapped(module, np.zeros(leaf.shape, bool)).shape
    z = recipe.generator(f'dise/{PLAYERS[player]}/{name}').standard_normal(
      shape, dtype=np.float32
    )
    if len(shape) > 1:
      z = z * np.sqrt(2.0 / np.prod(shape[1:]))
    elif name.endswith(('weight', 'gamma')):
      z = 1 + 0.1 * z
    else:
      z = 0.1 * z
    if player in Outputs._fields and module == 'conv4':
      z = -z  # published opponents answer 'source', ours 'target'
    return np.asarray(back(module, z), leaf.dtype)

  return jax.tree_util.tree_map_with_path(made, params)


@pytest.fixture(scope='module')
def recipe(shared):
  return published.recipe(shared)


@pytest.fixture(scope='module')
def reference(shared):
  return np.load(shared / 'reference' / 'uda' / 'dise.npz')


def published_learner(dtype):
  poly = functools.partial(optimizers.poly, power=0.9, decay_steps=250_000)
  adam = optimizers.TRANSLATION
  return learner.Learner(
    segmenter=deeplab.DeepLabV2(CLASSES, bn='global', dtype=dtype),
    sizes=strategy.Sizes(
      CLASSES, 64, conv4=1024, conv5=2048, width=64, products=dtype
    ),
    target_statistics=False,
    segmenter_tx=optimizers.segmenter(
      poly(2.5e-4),
      head_lr_scale=10.0,
      momentum=0.9,
      weight_decay=5e-4,
      repeat=False,
    ),
    optimizers={
      'opponent': optimizers.opponent(poly(1e-4)),
      'translator': optimizers.opponent(poly(1e-3), **adam),
      'translator_opponent': optimizers.opponent(poly(1e-4), **adam),
    },
  )


def pair_of(recipe, dtype):
  """The reference divides the segmenter's input by 128."""

  def images(domain):
    rgb = [recipe.image(f'dise/{domain}0/{b}', *SIZE) for b in range(BATCH)]
    bgr = np.concatenate(rgb)[..., ::-1] - np.asarray(recipe.BGR_MEAN, dtype)
    return np.asarray(bgr / 128, dtype)

  labels = np.concatenate(
    [recipe.labels(f'dise/label0/{b}', *SIZE) for b in range(BATCH)]
  )
  return Pair(
    Batch(images('source'), labels),
    Batch(images('target'), np.full_like(labels, 255)),
  )


def published_losses(shared, recipe, dtype):
  """The losses of the reference's first step.

  The last move changes nothing: its gradients cost most of the step.
  """
  shapes = json.loads(
    (shared / 'reference' / 'deeplab_v2_resnet101_multi_keys.json').read_text()
  )
  variables = pretrained.from_torch(
    {
      name: np.asarray(recipe.tensor('segmenter', name, shape), dtype)
      for name, shape in shapes.items()
      if not name.endswith('num_batches_tracked')
    }
  )
  method, game = dise.dise(PUBLISHED), published_learner(dtype)
  *opponents, last = method.moves
  moves = (*opponents, last._replace(parts=()))
  method = dataclasses.replace(method, moves=moves)
  state = jax.eval_shape(
    lambda key: game.init(key, variables, method.players), jax.random.key(0)
  )
  opponents = {}
  for name, player in state.opponents.items():
    params = published_params(recipe, name, player.params)
    params = jax.tree.map(lambda x: np.asarray(x, dtype), params)
    optimizer = game.optimizers[method.players[name].optimizer]
    opponents[name] = learner.Opponent(params, optimizer.init(params))
  state = learner.State(
    step=jnp.zeros((), jnp.int32),
    segmenter=variables,
    opt_state=game.segmenter_tx.init(variables['params']),
    opponents=opponents,
  )
  # Not compiled: that takes longer than operations one by one.
  train_step = functools.partial(
    step.train_step,
    learner=game,
    strategy=method,
    supervision=step.Supervision(aux=0.1),
  )
  return jax.device_get(train_step(state, pair_of(recipe, dtype))[1])


@pytest.fixture
def published_scales(monkeypatch):
  """Images are not multiplied by 128; all pixels count, ignored ones too."""
  monkeypatch.setattr(dise, 'SCALE', 1.0)
  pixels = BATCH * SIZE[0] * SIZE[1]
  monkeypatch.setattr(segmentation, 'mean', lambda total, _: total / pixels)


def compare_losses(reference, metrics, rtol):
  found = {LOSSES[name]: metrics[name] for name in LOSSES}
  for head, name in (('aux', 'd_dclf1'), ('main', 'd_dclf2')):
    found[name] = 2 * metrics[f'opponent_{head}']
  for name, loss in found.items():
    known = reference[f'step0/loss_{name}']
    np.testing.assert_allclose(loss, known, rtol, err_msg=name)
  known = reference['step0/total_loss']
  np.testing.assert_allclose(metrics['loss'], known, rtol)


@pytest.mark.slow
@pytest.mark.usefixtures('published_scales')
def test_every_loss_of_the_first_step(shared, recipe, reference):
  metrics = published_losses(shared, recipe, np.float32)
  compare_losses(reference, metrics, 1e-4)
