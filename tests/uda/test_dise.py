"""What goes wrong with DISE, without the published numbers."""

import dataclasses
import functools

import jax
import numpy as np
import players
import pytest
import saying

from configs import streets_active
from pointsup_jax.models import resnet, translation, vgg
from pointsup_jax.run import context as run_lib
from pointsup_jax.run import workdir
from pointsup_jax.stages import initial_state
from pointsup_jax.training import optimizers, step
from pointsup_jax.types import Batch, Outputs
from pointsup_jax.uda import dise, strategy
from pointsup_jax.uda.scene import Scene, Seen

SETTINGS = strategy.Settings(Outputs(aux=0.0002, main=0.001))


@functools.cache
def small_game():
  adam = optimizers.opponent(
    optimizers.poly(1e-3, power=0.9, decay_steps=100), **optimizers.TRANSLATION
  )
  small = players.small_learner()
  more = {'translator': adam, 'translator_opponent': adam}
  return dataclasses.replace(
    small, optimizers={**small.optimizers, **more}, seed=3
  )


@functools.cache
def small_steps(count, moves=None):
  """The states before and after each step, and the steps' metrics."""
  game, method = small_game(), dise.dise(SETTINGS)
  if moves:
    method = dataclasses.replace(method, moves=moves)
  key = jax.random.key(0)
  state = game.init(key, game.init_segmenter(key), method.players)
  train_step = jax.jit(
    functools.partial(
      step.train_step,
      learner=game,
      strategy=method,
      supervision=step.Supervision(aux=0.1),
    )
  )
  states, history = [state], []
  for i in range(count):
    state, metrics = train_step(state, players.random_pair(i))
    states.append(jax.device_get(state))
    history.append(jax.device_get(metrics))
  return states, history


def changed(one, two):
  leaves = zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True)
  return not all(np.array_equal(a, b) for a, b in leaves)


@pytest.mark.slow  # compiling the step takes minutes
def test_who_moves_when():
  states, history = small_steps(2)
  for metrics in history:
    assert all(np.isfinite(x) for x in metrics.values()), metrics
  rare, never = {'image_source', 'image_target'}, {'features'}
  for i in range(2):
    old, new = states[i], states[i + 1]
    moved = {
      name for name, player in new.opponents.items()
      if changed(player.params, old.opponents[name].params)
    }  # fmt: skip
    assert moved == set(new.opponents) - never - (rare if i else set())
    assert changed(old.segmenter['params'], new.segmenter['params'])
  assert history[0]['opponent_image_target'] > 0
  assert history[1]['opponent_image_target'] == 0


@pytest.mark.slow
def test_translated_images_are_inputs_like_any_others():
  """What the segmenter says of them must not move what made them."""
  makers = ('decoder', 'texture_target')

  def loss(scene):
    return (scene.seen['translated'].logits.main ** 2).mean(), {}

  (before, after), _ = small_steps(1, (strategy.Move(makers, loss),))
  for name in makers:
    old, new = before.opponents[name].params, after.opponents[name].params
    assert not changed(old, new), name


def test_opponents_move_first():
  moves = dise.dise(SETTINGS).moves
  parts = [move.parts for move in moves]
  assert parts[:2] == [('aux',), ('main',)]
  assert parts[-1][:2] == strategy.SEGMENTER
  assert [move.fresh for move in moves] == [True, False, False, False, False]


def numbers(*shape, seed=0):
  return np.random.default_rng(seed).normal(1, 2, shape).astype(np.float32)


def test_layer_norm_divides_by_the_unbiased_deviation_plus_epsilon():
  x = 1e-4 * numbers(2, 1, 2, 2)
  norm = translation._LayerNorm()
  params = norm.init(jax.random.key(0), x)
  gamma = np.asarray(params['params']['gamma'])
  assert (gamma >= 0).all()
  assert (gamma < 1).all()
  expected = (x - x.mean((1, 2, 3), keepdims=True)) / (
    x.std((1, 2, 3), ddof=1, keepdims=True) + 1e-5
  )
  found = norm.apply(params, x)
  np.testing.assert_allclose(found, expected * gamma, rtol=1e-4)


@pytest.mark.parametrize('padding', [1, 2])
def test_transposed_convolutions_are_torch_s(padding):
  class Enlarge(translation.nn.Module):
    @translation.nn.compact
    def __call__(self, x):
      return translation._enlarged(x, padding, 'up')

  x, kernel = numbers(1, 3, 4, 2), numbers(2, 2, 4, 4, seed=1)  # torch's
  params = {'up': {'kernel': kernel.transpose(2, 3, 0, 1)[::-1, ::-1]}}
  found = Enlarge().apply({'params': params}, x)
  size = [2 * (n - 1) + 4 - 2 * padding for n in (3, 4)]
  whole = np.zeros((2 * 2 + 4, 2 * 3 + 4, 2))
  for i in range(3):
    for j in range(4):
      part = np.einsum('c,cokl->klo', x[0, i, j], kernel)
      whole[2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += part
  inner = whole[padding:-padding, padding:-padding]
  assert list(inner.shape[:2]) == size
  np.testing.assert_allclose(found[0], inner, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_only_the_first_convolution_reflects():
  """A constant input stays constant through it, and through no other."""
  decoder = translation.Decoder(8)
  inputs = np.ones((1, 5, 6, 3)), numbers(1, 8), np.float32(1)
  params = decoder.init(jax.random.key(0), *inputs)
  image, seen = decoder.apply(params, *inputs, capture_intermediates=True)
  assert image.shape == (1, 32, 40, 3)
  first = seen['intermediates']['first']['__call__'][0]
  np.testing.assert_allclose(first, first[:, :1, :1] + 0 * first, rtol=1e-5)
  second = seen['intermediates']['block0_0']['__call__'][0]
  assert np.ptp(second, axis=(1, 2)).max() > 1e-3


def test_low_levels_compare_means_with_the_texture():
  made, structure, texture = (
    tuple(numbers(2, 8 - i, 9, 3, seed=10 * k + i) for i in range(5))
    for k in range(3)
  )
  expected = 0.25 * np.abs(made[3] - structure[3]).mean()
  expected += np.abs(made[4] - structure[4]).mean()
  for x, y in list(zip(made, texture, strict=True))[:3]:
    expected += np.abs(x.mean((1, 2)) - y.mean((1, 2))).mean()
  np.testing.assert_allclose(
    dise.mixed(made, structure, texture), expected, rtol=1e-5
  )
  weights = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1)
  expected = sum(
    w * np.abs(x - y).mean()
    for w, x, y in zip(weights, made, texture, strict=True)
  )
  np.testing.assert_allclose(dise.distance(made, texture), expected, rtol=1e-5)


@pytest.mark.parametrize(('texture', 'domain'), [('source', 0), ('target', 1)])
def test_the_decoder_is_told_the_texture_s_domain(texture, domain):
  asked = {}

  def ask(player, *inputs):
    asked[player] = inputs
    if player.startswith('texture'):
      return np.zeros((2, 8))
    return np.full((2, 16, 24, 3), 0.5, np.float32)

  def seen(size):
    images = np.zeros((2, *size, 3), np.uint8)
    taps = {'stem': size, 'conv5': size}
    return Seen(Batch(images, images[..., 0]), None, None, taps)

  both = {'source': seen((20, 28)), 'target': seen((18, 30))}
  scene = Scene(both, ask, None, {}, np.int32(0), jax.random.key(0))
  images = dise.decoded(scene, structure='source', texture=texture)
  assert images.shape == (2, 20, 28, 3)  # enlarged from multiples of 8
  structure, _, plane = asked['decoder']
  assert structure == (20, 28)
  assert asked[f'texture_{texture}'] == (both[texture].taps['stem'],)
  assert plane == domain


def test_images_of_floats_are_not_normalised_again():
  images = numbers(1, 2, 2, 3)
  np.testing.assert_array_equal(resnet.preprocess(images), images)


def test_vgg_19_of_torchvision(tmp_path):
  network = vgg.VGG19()
  images = jax.ShapeDtypeStruct((1, 64, 96, 3), np.float32)
  shapes = jax.eval_shape(network.init, jax.random.key(0), images)['params']
  tensors = {}
  for layer, leaves in shapes.items():
    name = f'features.{layer.removeprefix("conv")}'
    depth, width = leaves['kernel'].shape[2:]
    tensors[f'{name}.weight'] = np.zeros((width, depth, 3, 3), np.float32)
    tensors[f'{name}.bias'] = np.zeros(width, np.float32)
  assert max(int(name.split('.')[1]) for name in tensors) == 28
  tensors['features.0.weight'][1, 2, 0, 1] = 7
  np.savez_compressed(tmp_path / 'vgg.npz', **tensors)
  params = vgg.load(str(tmp_path / 'vgg.npz'))
  assert jax.tree.map(np.shape, params) == jax.tree.map(
    lambda x: x.shape, shapes
  )
  assert params['conv0']['kernel'][0, 1, 2, 1] == 7
  features = jax.eval_shape(network.apply, {'params': shapes}, images)
  assert [x.shape[1:] for x in features] == [
    (64, 96, 64), (32, 48, 128), (16, 24, 256), (8, 12, 512), (4, 6, 512),
  ]  # fmt: skip
  np.savez(tmp_path / 'other.npz', **{'features.0.weight': np.zeros((2, 2))})
  said = saying.message(lambda: vgg.load(str(tmp_path / 'other.npz')))
  assert 'is no VGG-19 of torchvision' in said


def test_given_weights_are_in_the_first_state(tmp_path):
  config = streets_active.get_config()
  config.model.blocks, config.model.width = (1, 1, 1, 1), 4
  run = run_lib.open_run(config, workdir.Workdir(tmp_path))
  given = {'kernel': np.full((3, 3), 5.0, np.float32)}
  player = strategy.Player(
    build=lambda _: translation.nn.Dense(3, use_bias=False),
    inputs=lambda _: ((1, 3),),
    weights=lambda: given,
  )
  state = initial_state.fresh_state(
    run,
    initial_state.build_learner(run),
    {'features': player},
    run.workdir.uda,
    None,
  )
  found = state.opponents['features']
  np.testing.assert_array_equal(found.params['kernel'], given['kernel'])
  assert found.opt_state == ()
