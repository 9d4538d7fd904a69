import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pointsup_jax.models import convolutions


def numbers(*shape):
  return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
  ('sides', 'size', 'stride', 'dilation'),
  [
    ((6, 9), 3, 1, 1),
    ((6, 9), 3, 2, 1),
    ((7, 8), 5, 2, 1),
    ((9, 10), 5, 1, 4),
    ((2, 1), 5, 1, 2),
  ],
)
def test_shifted_sums_are_the_grouped_convolution(
  sides, size, stride, dilation
):
  """'SAME' pads even sides, at a stride, more at their end."""
  x, kernel = numbers(2, *sides, 3), numbers(size, size, 1, 3)

  @functools.partial(jax.jit, static_argnums=0)
  def both(form):
    y, backward = jax.vjp(
      lambda x, kernel: form(x, kernel, stride, dilation), x, kernel
    )
    return y, backward(jnp.cos(jnp.arange(y.size)).reshape(y.shape))

  found, expected = both(convolutions.shifted), both(convolutions.grouped)
  jax.tree.map(
    functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5),
    found,
    expected,
  )


@pytest.mark.parametrize(
  ('backend', 'is_grouped'), [('cpu', False), ('gpu', True), ('tpu', True)]
)
def test_only_accelerators_get_grouped_convolutions(
  backend, is_grouped, monkeypatch
):
  layer = convolutions.Depthwise(3)
  x = numbers(1, 5, 5, 4)
  variables = layer.init(jax.random.key(0), x)
  monkeypatch.setattr(jax, 'default_backend', lambda: backend)
  program = str(jax.make_jaxpr(layer.apply)(variables, x))
  assert ('feature_group_count=4' in program) == is_grouped


def test_sums_of_bfloat16_are_of_float32():
  low = [
    jnp.asarray(numbers(*shape), jnp.bfloat16)
    for shape in ((1, 9, 9, 4), (5, 5, 1, 4))
  ]
  found = convolutions.shifted(*low, 1, 1)
  assert found.dtype == jnp.bfloat16
  exact = convolutions.shifted(*(x.astype(jnp.float32) for x in low), 1, 1)
  np.testing.assert_array_equal(found, exact.astype(jnp.bfloat16))


@pytest.mark.parametrize(
  'form', [convolutions.halved, convolutions.halved_in_products]
)
@pytest.mark.parametrize(
  ('sides', 'size', 'padding'),
  [((6, 9), 4, 1), ((7, 8), 7, 3), ((9, 5), 3, 1), ((5, 6), 2, 0)],
)
def test_halved_images_and_their_gradients_are_the_librarys(
  form, sides, size, padding
):
  x, kernel = numbers(2, *sides, 3), numbers(size, size, 3, 4)
  window = (2, 2), [(padding, padding)] * 2
  layout = {'dimension_numbers': ('NHWC', 'HWIO', 'NHWC')}

  @functools.partial(jax.jit, static_argnums=0)
  def both(form):
    y, backward = jax.vjp(lambda *a: form(*a, *window, **layout), x, kernel)
    return y, backward(jnp.cos(jnp.arange(y.size)).reshape(y.shape))

  jax.tree.map(
    functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5),
    both(form),
    both(jax.lax.conv_general_dilated),
  )


def test_tpus_get_the_same_parities():
  x = numbers(2, 6, 8, 3)
  np.testing.assert_array_equal(
    convolutions.sliced_parities(x), convolutions.reshaped_parities(x)
  )


def test_exported_programs_have_slices_too_and_no_gathers():
  (batch,) = jax.export.symbolic_shape('b')
  x = jax.ShapeDtypeStruct((batch, 6, 8, 3), jnp.float32)
  program = jax.jit(convolutions.sliced_parities)
  text = jax.export.export(program, platforms=('cpu', 'tpu'))(x).mlir_module()
  found = set(re.findall(r'stablehlo\.(\w*slice|\w*gather)\W', text))
  assert found == {'real_dynamic_slice'}


@pytest.mark.parametrize(
  ('platform', 'channels', 'strided'),
  [
    ('cpu', 3, 0),
    ('tpu', 3, 0),
    ('cuda', 3, 1),
    ('cpu', 33, 0),
    ('tpu', 32, 0),
    ('tpu', 33, 1),
  ],
)
def test_cpus_get_halved_images_in_parts_and_tpus_those_of_few_channels(
  platform, channels, strided
):
  x, kernel = numbers(1, 6, 6, channels), numbers(4, 4, channels, 4)
  layer = functools.partial(
    convolutions.halved,
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
  )
  program = jax.jit(lambda x, kernel: layer(x, kernel, (2, 2), [(1, 1)] * 2))
  text = (
    program.trace(x, kernel).lower(lowering_platforms=(platform,)).as_text()
  )
  assert text.count('stride = [2, 2]') == strided
