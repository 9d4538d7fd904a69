"""The precision of every product and convolution in a program, as lowered.

The CPU computes all of them in float32; accelerators do what the program says.
"""

import dataclasses
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import players
import pytest

from pointsup_jax.models import deeplab
from pointsup_jax.training import step

# (dtypes of the factors, 'DEFAULT' or 'HIGHEST') of one operation.
PRODUCT = re.compile(
  r'stablehlo\.(?:dot_general|convolution).*?(DEFAULT|HIGHEST).*'
  r'\(tensor<[\dx]+x(\w+)>, tensor<[\dx]+x(\w+)>\)'
)


def products(function, *args):
  return found_in(jax.jit(function).lower(*args).as_text())


def found_in(text):
  found = PRODUCT.findall(text)
  assert len(found) == len(
    re.findall(r'stablehlo\.(?:dot_general|convolution)\W', text)
  )
  return [((one, other), how) for how, one, other in found]


def lowered_step(dtype, remat=False):
  small = players.small_learner()
  learner = dataclasses.replace(
    small,
    segmenter=small.segmenter.clone(dtype=dtype, remat=remat),
    sizes=small.sizes._replace(products=dtype),
  )
  method = players.ADVENT
  take = functools.partial(
    step.train_step,
    learner=learner,
    strategy=method,
    supervision=step.Supervision(aux=0.1, answers=1.0),
  )
  state = jax.eval_shape(lambda: players.fresh_state(method))
  return jax.jit(take).lower(state, players.random_pair(0)).as_text()


def of_a_step(dtype, remat=False):
  return found_in(lowered_step(dtype, remat))


@pytest.mark.parametrize('remat', [False, True])
def test_float32_is_float32(remat):
  found = of_a_step('float32', remat)
  assert len(found) > 100
  assert set(found) == {(('f32', 'f32'), 'HIGHEST')}


def test_bfloat16_is_as_fast_as_accelerators_allow():
  found = of_a_step('bfloat16')
  assert (('bf16', 'bf16'), 'HIGHEST') not in found
  in_float32 = [how for dtypes, how in found if dtypes != ('bf16', 'bf16')]
  # Of the enlargement of logits, which asks for it.
  assert set(in_float32) == {'HIGHEST'}
  assert in_float32.count('HIGHEST') == 2 * 2 * 2 * 2  # axes, heads, gradients


def test_no_gradient_of_a_bfloat16_step_is_summed_in_bfloat16():
  sums = re.findall(
    r'stablehlo\.reduce\(.*applies stablehlo\.add.*: \(tensor<[\dx]*x(\w+)>',
    lowered_step('bfloat16'),
  )
  assert len(sums) > 50
  assert set(sums) <= {'f32', 'i32'}


def test_the_user_s_own_precision_counts():
  with jax.default_matmul_precision('default'):
    assert (('f32', 'f32'), 'DEFAULT') in of_a_step('float32')


def test_the_taps_of_a_head_are_summed_before_they_are_rounded():
  """With as many features as ResNet-101; float64 tells what is right."""
  x = np.random.default_rng(0).normal(size=(1, 9, 9, 2048))
  heads = {x: deeplab.Head(5, x) for x in ('float32', 'bfloat16')}
  x = jnp.asarray(x, jnp.bfloat16)
  variables = jax.jit(heads['float32'].init)(jax.random.key(0), x)
  variables = jax.tree.map(
    lambda v: v.astype(jnp.bfloat16).astype(jnp.float32), variables
  )
  exact = jax.jit(heads['float32'].apply)(variables, x.astype(jnp.float32))
  ours = jax.jit(heads['bfloat16'].apply)(variables, x)
  assert jnp.abs(ours - exact).max() < 1e-5 * jnp.abs(exact).max()


def test_the_gradients_of_a_bfloat16_head_are_bfloat16_products():
  head = deeplab.Head(5, 'bfloat16')
  x = jnp.ones((1, 9, 9, 8), jnp.bfloat16)
  variables = jax.eval_shape(head.init, jax.random.key(0), x)

  def loss(variables, x):
    return jnp.sum(head.apply(variables, x) ** 2)

  found = products(jax.grad(loss, (0, 1)), variables, x)
  assert found == [(('bf16', 'bf16'), 'DEFAULT')] * 3
