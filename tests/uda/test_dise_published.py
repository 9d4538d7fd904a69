"""DISE against two steps of the published code (see ../shared)."""

import functools
import importlib.util
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax._src.lax import convolution

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
    return f'cnn.{layer}.{field(leaf)}'
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
    return np.asarray(back(module, z), leaf.dtype)

  return jax.tree_util.tree_map_with_path(made, params)


@pytest.fixture(scope='module')
def recipe(shared):
  spec = importlib.util.spec_from_file_location(
    'recipe', shared / 'reference' / 'recipe.py'
  )
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


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


def pair_of(recipe, number, dtype):
  """The reference divides the segmenter's input by 128."""

  def images(domain):
    rgb = [
      recipe.image(f'dise/{domain}{number}/{b}', *SIZE) for b in range(BATCH)
    ]
    bgr = np.concatenate(rgb)[..., ::-1] - np.asarray(recipe.BGR_MEAN, dtype)
    return np.asarray(bgr / 128, dtype)

  labels = np.concatenate(
    [recipe.labels(f'dise/label{number}/{b}', *SIZE) for b in range(BATCH)]
  )
  return Pair(
    Batch(images('source'), labels),
    Batch(images('target'), np.full_like(labels, 255)),
  )


def published_steps(shared, recipe, count, dtype):
  """States and metrics of the reference's first steps."""
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
  # Not compiled: the whole step takes many minutes to compile, its operations
  # one by one take seconds.
  train_step = functools.partial(
    step.train_step,
    learner=game,
    strategy=method,
    supervision=step.Supervision(aux=0.1),
  )
  states, history = [state], []
  for i in range(count):
    state, metrics = train_step(state, pair_of(recipe, i, dtype))
    states.append(jax.device_get(state))
    history.append(jax.device_get(metrics))
  return states, history


@pytest.fixture
def published_scales(monkeypatch):
  """Images are not multiplied by 128; all pixels count, ignored ones too."""
  monkeypatch.setattr(dise, 'SCALE', 1.0)
  pixels = BATCH * SIZE[0] * SIZE[1]
  monkeypatch.setattr(segmentation, 'mean', lambda total, _: total / pixels)


def compare(reference, states, history, number, loss_rtol, norm_rtol):
  """Every loss, and how far every tensor's gradient and change went."""
  metrics, at = dict(history[number]), f'step{number}'
  for name, theirs in LOSSES.items():
    if number and name.startswith('opponent_image'):
      assert metrics[name] == 0  # they move at every fifth step
      continue
    np.testing.assert_allclose(
      metrics[name], reference[f'{at}/loss_{theirs}'], loss_rtol, err_msg=name
    )
  for name, theirs in (('aux', 'd_dclf1'), ('main', 'd_dclf2')):
    np.testing.assert_allclose(
      2 * metrics[f'opponent_{name}'],
      reference[f'{at}/loss_{theirs}'],
      loss_rtol,
    )
  np.testing.assert_allclose(
    metrics['loss'], reference[f'{at}/total_loss'], loss_rtol
  )
  before, after = states[number], states[number + 1]
  names = [str(x) for x in reference['names/enc_shared']]
  old, new, velocity, last = (
    pretrained.to_torch({'params': x})
    for x in (
      before.segmenter['params'],
      after.segmenter['params'],
      after.opt_state.momentum,
      before.opt_state.momentum,
    )
  )
  grads, changes = (
    reference[f'{at}/{x}_norm/enc_shared'] for x in ('grad', 'change')
  )
  for name, grad, change in zip(names, grads, changes, strict=True):
    mine = velocity[name] - 5e-4 * old[name] - 0.9 * number * last[name]
    np.testing.assert_allclose(
      np.linalg.norm(mine), grad, norm_rtol, err_msg=name
    )
    np.testing.assert_allclose(
      np.linalg.norm(np.float64(new[name]) - old[name]),
      change, norm_rtol, err_msg=name,
    )  # fmt: skip


@pytest.mark.usefixtures('published_scales')
def test_the_first_published_step(shared, recipe, reference):
  states, history = published_steps(shared, recipe, 1, np.float32)
  compare(reference, states, history, 0, 1e-4, 3e-2)


def by_products(
  x, kernel, window_strides, padding, lhs_dilation=None, rhs_dilation=None,
  **_,
):  # fmt: skip
  """lax.conv_general_dilated as a product: XLA's in float64 takes hours."""
  if isinstance(padding, str):
    padding = [(0, 0), (0, 0)]
  spread, dilation = lhs_dilation or (1, 1), rhs_dilation or (1, 1)
  edges = [(*p, s - 1) for p, s in zip(padding, spread, strict=True)]
  x = jax.lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *edges, (0, 0, 0)])
  spans = [
    (n - d * (k - 1) - 1) // s * s + 1
    for n, d, k, s in zip(
      x.shape[1:3], dilation, kernel.shape, window_strides, strict=False
    )
  ]
  taps = [
    x[
      :,
      i * dilation[0] : i * dilation[0] + spans[0] : window_strides[0],
      j * dilation[1] : j * dilation[1] + spans[1] : window_strides[1],
    ]
    for i in range(kernel.shape[0])
    for j in range(kernel.shape[1])
  ]
  return jnp.concatenate(taps, -1) @ kernel.reshape(-1, kernel.shape[-1])


@pytest.mark.slow
@pytest.mark.usefixtures('published_scales')
def test_two_published_steps_in_float64(shared, recipe, reference, monkeypatch):
  monkeypatch.setattr(convolution, 'conv_general_dilated', by_products)
  monkeypatch.setattr(jax.lax, 'conv_general_dilated', by_products)
  with jax.enable_x64(True):
    # The package says float32 where it means no less than that.
    monkeypatch.setattr(jnp, 'float32', jnp.float64)
    states, history = published_steps(shared, recipe, 2, np.float64)
  compare(reference, states, history, 0, 1e-6, 1e-6)
  compare(reference, states, history, 1, 1e-6, 1e-6)
