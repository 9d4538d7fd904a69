import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pointsup_jax.training import optimizers


def params_and_grads():
  rng = np.random.default_rng(0)

  def tree():
    return {
      'conv1': {'kernel': rng.normal(size=(3, 2))},
      'layer1_0': {
        'conv2': {'kernel': rng.normal(size=(2, 2))},
        'downsample_conv': {'kernel': rng.normal(size=(2, 2))},
        'bn1': {'scale': rng.normal(size=2), 'bias': rng.normal(size=2)},
      },
      'main_head': {'conv0': {'kernel': rng.normal(size=(2, 2))}},
    }

  return tree(), [tree() for _ in range(5)]


@pytest.mark.parametrize('repeat', [False, True])
def test_sgd_is_torch_s_with_two_rates_and_frozen_batch_norm(repeat):
  params, grads = params_and_grads()
  lr, momentum, decay, power, total = 0.1, 0.9, 0.01, 0.9, 10
  tx = optimizers.segmenter(
    optimizers.poly(lr, power=power, decay_steps=total),
    head_lr_scale=10.0,
    momentum=momentum,
    weight_decay=decay,
    repeat=repeat,
  )
  ours = jax.tree.map(jnp.asarray, params)
  state = tx.init(ours)
  for grad in grads:
    updates, state = tx.update(jax.tree.map(jnp.asarray, grad), state, ours)
    ours = jax.tree.map(lambda p, u: p + u, ours, updates)

  for path, scale, times in (
    (('conv1',), 1.0, 1),
    (('layer1_0', 'conv2'), 1.0, 3),
    (('layer1_0', 'downsample_conv'), 1.0, 4),
    (('main_head', 'conv0'), 10.0, 1),
  ):

    def leaf(tree, path=path):
      for key in path:
        tree = tree[key]
      return tree['kernel']

    p, buffer = leaf(params), None
    for step, grad in enumerate(grads):
      fresh = buffer is None  # torch: for all repetitions of a step
      for _ in range(times if repeat else 1):
        gradient = leaf(grad) + decay * p
        buffer = gradient if fresh else momentum * buffer + gradient
        p = p - scale * lr * (1 - step / total) ** power * buffer
    np.testing.assert_allclose(leaf(ours), p, rtol=1e-4, atol=1e-6)
  frozen = params['layer1_0']['bn1']
  for name, value in ours['layer1_0']['bn1'].items():
    np.testing.assert_array_equal(value, np.float32(frozen[name]))


@pytest.mark.parametrize('step', [0, 1, 60_000, 119_999, 250_000, 300_000])
def test_poly_decay(step):
  schedule = optimizers.poly(2.5e-4, power=0.9, decay_steps=250_000)
  expected = 2.5e-4 * max(1 - step / 250_000, 0) ** 0.9
  np.testing.assert_allclose(schedule(step), expected, rtol=1e-5, atol=1e-12)
