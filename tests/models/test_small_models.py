import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pointsup_jax.models import deeplab, norm, resnet, upsample


@functools.cache
def tiny(**kwargs):
  model = deeplab.DeepLabV2(5, blocks=(1, 1, 1, 1), width=4, **kwargs)
  images = np.random.default_rng(0).normal(size=(2, 33, 41, 3)) * 50
  init = jax.jit(functools.partial(deeplab.init, model))
  return model, init(jax.random.key(0)), np.float32(images)


@functools.partial(jax.jit, static_argnums=0)
def evaluated(model, variables, images):
  return model.apply(variables, images, train=False)


def test_logits_are_at_stride_8():
  model, variables, images = tiny()
  outputs = evaluated(model, variables, images)
  assert outputs.aux.shape == outputs.main.shape == (2, 5, 6, 5)


@functools.partial(jax.jit, static_argnums=0)
def train_pass(model, variables, images):
  outputs, updated = model.apply(
    variables, images, train=True, mutable=['batch_stats']
  )
  return outputs.main, updated['batch_stats']


def test_batch_mode_does_not_mix_images_and_global_mode_does():
  for bn, mixes in (('batch', False), ('global', True)):
    model, variables, images = tiny(bn=bn)
    both, _ = train_pass(model, variables, images)
    alone, _ = train_pass(model, variables, images[:1])
    assert np.allclose(both[:1], alone, atol=1e-5) != mixes


def test_frozen_mode_keeps_the_statistics():
  model, variables, images = tiny(bn='frozen')
  logits, stats = train_pass(model, variables, images)
  jax.tree.map(np.testing.assert_array_equal, stats, variables['batch_stats'])
  expected = evaluated(model, variables, images).main
  np.testing.assert_allclose(logits, expected, rtol=1e-5)


@pytest.mark.parametrize(
  ('mode', 'axes'), [('batch', (1, 2)), ('global', (0, 1, 2))]
)
def test_batch_norm_by_its_formula(mode, axes):
  x = np.random.default_rng(1).normal(3, 2, (2, 4, 6, 3)).astype(np.float32)
  layer = norm.BatchNorm(mode)
  variables = layer.init(jax.random.key(0), x, train=False)
  y, updated = layer.apply(variables, x, train=True, mutable=['batch_stats'])
  x = np.float64(x)
  mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
  np.testing.assert_allclose(y, (x - mean) / np.sqrt(var + 1e-5), atol=1e-4)
  n = x.size / mean.size
  stats = updated['batch_stats']
  mean, var = (s.mean((0, 1, 2)) for s in (mean, var * n / (n - 1)))
  np.testing.assert_allclose(stats['mean'], 0.1 * mean, rtol=1e-4)
  np.testing.assert_allclose(stats['var'], 0.9 + 0.1 * var, rtol=1e-4)


@pytest.mark.parametrize('axes', [(1, 2), (0, 1, 2)])
@pytest.mark.parametrize('ratio', [0, 30, 100, 1000, 3000])
def test_the_variance_is_exact_however_large_the_mean_is(axes, ratio):
  rng = np.random.default_rng(1)
  x = np.float32(rng.normal(size=(2, 33, 65, 8)) + ratio)
  x[..., :4, 0] += ratio  # a black border, say
  mean, var = jax.jit(norm._moments, static_argnums=2)(x, x, axes)
  exact = np.float64(x)
  np.testing.assert_allclose(
    mean, exact.mean(axes, keepdims=True), rtol=1e-6, atol=1e-6
  )
  np.testing.assert_allclose(var, exact.var(axes, keepdims=True), rtol=1e-5)


def test_the_gradient_of_bfloat16_numbers_is_rounded_once():
  """Rounded twice, the error is 0.0037 of its length."""
  random = np.random.default_rng(0)
  x = jnp.asarray(1 + random.normal(size=(1, 64, 64, 32)), jnp.bfloat16)
  wanted = random.normal(size=x.shape)

  def gradient(dtype):
    layer = norm.BatchNorm('batch', dtype)
    variables = layer.init(jax.random.key(0), x, False)

    def loss(x):
      y, _ = layer.apply(variables, x, True, mutable=['batch_stats'])
      return jnp.sum(y * jnp.asarray(wanted, dtype))

    return np.asarray(jax.jit(jax.grad(loss))(x.astype(dtype)), np.float64)

  found = gradient(jnp.bfloat16)
  with jax.enable_x64(True):
    exact = gradient(jnp.float64)
  assert np.linalg.norm(found - exact) < 0.0025 * np.linalg.norm(exact)


@pytest.mark.parametrize('value', [0.0, 0.1, 12345.678])
def test_a_constant_channel_has_no_variance(value):
  x = np.full((2, 33, 65, 1), value, np.float32)
  _, var = norm._moments(x, x, (1, 2))
  assert 0 <= var.min() <= var.max() < (1e-6 * value) ** 2 + 1e-30


def test_preprocess_is_bgr_minus_the_mean():
  rgb = np.array([[[[10, 20, 30]]]], np.uint8)
  expected = np.array([30, 20, 10]) - np.array(resnet.BGR_MEAN)
  found = resnet.preprocess(rgb)[0, 0, 0]
  np.testing.assert_allclose(found, expected, rtol=1e-6)


def bilinear_by_hand(x, size):
  out = np.zeros((x.shape[0], *size, x.shape[3]))
  for i, j in np.ndindex(size):
    r = i * (x.shape[1] - 1) / (size[0] - 1) if size[0] > 1 else 0.0
    c = j * (x.shape[2] - 1) / (size[1] - 1) if size[1] > 1 else 0.0
    r0, c0 = int(r), int(c)
    r1, c1 = min(r0 + 1, x.shape[1] - 1), min(c0 + 1, x.shape[2] - 1)
    top = (1 - (c - c0)) * x[:, r0, c0] + (c - c0) * x[:, r0, c1]
    bottom = (1 - (c - c0)) * x[:, r1, c0] + (c - c0) * x[:, r1, c1]
    out[:, i, j] = (1 - (r - r0)) * top + (r - r0) * bottom
  return out


@pytest.mark.parametrize('old', [(1, 1), (3, 5), (4, 1)])
@pytest.mark.parametrize('new', [(1, 1), (7, 9), (2, 3), (12, 5)])
def test_bilinear(old, new):
  x = np.random.default_rng(2).normal(size=(2, *old, 3)).astype(np.float32)
  y = upsample.bilinear(jnp.asarray(x), new)
  np.testing.assert_allclose(y, bilinear_by_hand(x, new), atol=1e-5)


@pytest.mark.parametrize(
  ('old', 'new'), [((1, 1), (1, 1)), ((5, 7), (33, 49)), ((3, 9), (500, 300))]
)
def test_bilinear_in_bands_is_bilinear(old, new):
  x = np.random.default_rng(3).normal(size=(3, *old, 4)).astype(np.float32)
  best, total = upsample.map_bilinear(
    lambda band: (jnp.argmax(band, axis=-2), jnp.sum(band, axis=-2)), x, new
  )
  whole = upsample.bilinear(x, new)
  np.testing.assert_array_equal(best, jnp.argmax(whole, axis=-1))
  np.testing.assert_allclose(total, jnp.sum(whole, axis=-1), atol=1e-5)


@pytest.mark.parametrize('batch', [1, 4, 512])
def test_a_band_of_many_images_is_worth_a_device_s_while(batch):
  bands = []

  def one_number(band):
    bands.append(band.shape)
    return band[:, :, 0]

  x = jax.ShapeDtypeStruct((batch, 65, 129, 2), jnp.float32)
  found = jax.eval_shape(
    lambda x: upsample.map_bilinear(one_number, x, (512, 1024)), x
  )
  assert found.shape == (batch, 512, 1024)
  assert {(rows >= 8, images) for rows, images, *_ in bands} == {(True, batch)}


def test_rematerialisation_changes_no_gradient():
  def gradient(**kwargs):
    model, variables, images = tiny(**kwargs)

    def loss(params):
      logits, _ = train_pass(model, variables | {'params': params}, images)
      return jnp.mean(jnp.square(logits))

    return jax.jit(jax.grad(loss))(variables['params'])

  same = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6)
  jax.tree.map(same, gradient(remat=True), gradient(remat=False))


def test_bfloat16_is_of_the_activations_alone():
  model, variables, images = tiny(dtype='bfloat16')
  assert {x.dtype.name for x in jax.tree.leaves(variables)} == {'float32'}
  outputs, stats = train_pass(model, variables, images)
  assert outputs.dtype == np.float32
  assert {x.dtype.name for x in jax.tree.leaves(stats)} == {'float32'}
  exact, _ = train_pass(*tiny())
  error = np.linalg.norm(outputs - exact) / np.linalg.norm(exact)
  assert 1e-5 < error < 0.1
