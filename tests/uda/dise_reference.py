"""DISE's published steps: names, weights and images (../shared/reference)."""

import functools
import json
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pointsup_jax.models import deeplab, pretrained
from pointsup_jax.training import learner as learner_lib
from pointsup_jax.training import optimizers
from pointsup_jax.types import Batch, Outputs, Pair
from pointsup_jax.uda import dise, strategy

PUBLISHED = strategy.Settings(Outputs(aux=0.0002, main=0.001), vgg='a file')
CLASSES, BATCH, SIZE = 19, 2, (64, 128)
MOMENTUM, WEIGHT_DECAY = 0.9, 5e-4
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


def params_of(recipe, player, shapes):
  """The reference's weights of a player, in the structure of `shapes`."""

  def made(path, leaf):
    module, leaf_name = (str(part.key) for part in path)
    name = torch_name(player, module, leaf_name)
    shape = swapped(module, np.zeros(leaf.shape, bool)).shape
    z = recipe.generator(f'dise/{PLAYERS[player]}/{name}').standard_normal(
      shape, dtype=np.float32
    )
    if len(shape) > 1:
      z = z * np.float32(np.sqrt(2.0 / np.prod(shape[1:])))
    elif name.endswith(('weight', 'gamma')):
      z = 1 + 0.1 * z
    else:
      z = 0.1 * z
    if player in Outputs._fields and module == 'conv4':
      z = -z  # published opponents answer 'source', ours 'target'
    return np.asarray(back(module, z), leaf.dtype)

  return jax.tree_util.tree_map_with_path(made, shapes)


def learner(dtype):
  poly = functools.partial(optimizers.poly, power=0.9, decay_steps=250_000)
  adam = optimizers.TRANSLATION
  return learner_lib.Learner(
    segmenter=deeplab.DeepLabV2(CLASSES, bn='global', dtype=dtype),
    sizes=strategy.Sizes(
      CLASSES, 64, conv4=1024, conv5=2048, width=64, products=dtype
    ),
    target_statistics=False,
    segmenter_tx=optimizers.segmenter(
      poly(2.5e-4),
      head_lr_scale=10.0,
      momentum=MOMENTUM,
      weight_decay=WEIGHT_DECAY,
      repeat=False,
    ),
    optimizers={
      'opponent': optimizers.opponent(poly(1e-4)),
      'translator': optimizers.opponent(poly(1e-3), **adam),
      'translator_opponent': optimizers.opponent(poly(1e-4), **adam),
    },
  )


def pair(recipe, number, dtype):
  """The images of a step: the reference divides its inputs by 128."""

  def images(domain):
    names = [f'dise/{domain}{number}/{b}' for b in range(BATCH)]
    rgb = [recipe.image(name, *SIZE) for name in names]
    bgr = np.concatenate(rgb)[..., ::-1] - np.asarray(recipe.BGR_MEAN, dtype)
    return np.asarray(bgr / 128, dtype)

  labels = np.concatenate(
    [recipe.labels(f'dise/label{number}/{b}', *SIZE) for b in range(BATCH)]
  )
  return Pair(
    Batch(images('source'), labels),
    Batch(images('target'), np.full_like(labels, 255)),
  )


def state(shared, recipe, game, dtype):
  """The state before the first step."""
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
  method = dise.dise(PUBLISHED)
  fresh = jax.eval_shape(
    lambda key: game.init(key, variables, method.players), jax.random.key(0)
  )
  opponents = {}
  for name, player in fresh.opponents.items():
    params = params_of(recipe, name, player.params)
    params = jax.tree.map(lambda x: np.asarray(x, dtype), params)
    optimizer = game.optimizers[method.players[name].optimizer]
    opponents[name] = learner_lib.Opponent(params, optimizer.init(params))
  # Placed once: operations one by one would copy NumPy's arrays each time.
  return jax.device_put(
    learner_lib.State(
      # Its kind is that of the rates: float64 if they are to be exact.
      step=jnp.zeros((), int),
      segmenter=variables,
      opt_state=game.segmenter_tx.init(variables['params']),
      opponents=opponents,
    )
  )


def torch_tensors(player, tree):
  """A player's tensors under the reference's names."""
  found = {}
  for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
    name = torch_name(player, *(str(part.key) for part in path))
    if player.startswith('texture'):  # see `torch_name`
      name = name.replace('model.0.', 'cnn.')
    found[name] = leaf
  return found


def segmenter_tensors(params):
  """The segmenter's convolutions under the reference's names."""
  return pretrained.to_torch({'params': params, 'batch_stats': {}})


def norms(tensors):
  return {name: float(jnp.linalg.norm(x)) for name, x in tensors.items()}


class Moved(NamedTuple):
  """Norms of the tensors of a player: of their gradients, and changes."""

  grads: dict[str, float]
  changes: dict[str, float]


def moved(before, after):
  """What a step did, by the reference's names of the players.

  Gradients are told by the optimisers' states.
  """
  old, new = before.segmenter['params'], after.segmenter['params']
  kept = MOMENTUM if int(before.step) else 0.0
  grads = jax.tree.map(
    lambda sum_, last, param: sum_ - kept * last - WEIGHT_DECAY * param,
    after.opt_state.momentum, before.opt_state.momentum, old,
  )  # fmt: skip
  found = {
    'enc_shared': Moved(
      norms(segmenter_tensors(grads)), norms(segmenter_tensors(minus(new, old)))
    )
  }
  for player, name in PLAYERS.items():
    if player == 'features':
      continue
    one, two = before.opponents[player], after.opponents[player]
    decay = 0.9 if player in Outputs._fields else 0.5
    grads = jax.tree.map(
      lambda mean, last, decay=decay: (mean - decay * last) / (1 - decay),
      two.opt_state[0].mu,
      one.opt_state[0].mu,
    )
    changes = minus(two.params, one.params)
    found[name] = Moved(
      norms(torch_tensors(player, grads)), norms(torch_tensors(player, changes))
    )
  return found


def minus(one, two):
  return jax.tree.map(jnp.subtract, one, two)
