import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

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
  shape = {'power': 0.9, 'decay_steps': 250_000}
  expected = 2.5e-4 * max(1 - step / 250_000, 0) ** 0.9
  close = {'rtol': 1e-5, 'atol': 1e-12}
  found = optimizers.poly(2.5e-4, **shape)(step)
  np.testing.assert_allclose(found, expected, **close)
  found = optimizers.poly_on_host(step, 2.5e-4, **shape)
  np.testing.assert_allclose(found, expected, **close)


@pytest.mark.parametrize('step', [0, 1, 749, 1_499, 1_500, 39_999, 40_000])
def test_the_rates_of_daformer(step):
  shape = {'power': 1.0, 'decay_steps': 40_000, 'warmup_steps': 1_500}
  risen, decayed = step / 1_500, 1 - step / 40_000
  expected = 6e-5 * (risen if step < 1_500 else decayed)
  close = {'rtol': 1e-5, 'atol': 1e-11}
  found = optimizers.poly(6e-5, **shape)(step)
  np.testing.assert_allclose(found, expected, **close)
  found = optimizers.poly_on_host(step, 6e-5, **shape)
  np.testing.assert_allclose(found, expected, **close)


ADAMW = {'betas': (0.9, 0.999), 'weight_decay': 0.01}


def test_adamw_is_torch_s_with_two_rates_and_norms_that_do_not_decay():
  torch = pytest.importorskip('torch', reason='PyTorch is not installed')
  rng = np.random.default_rng(0)
  shapes = {
    ('block0_0', 'query', 'kernel'): (1.0, 0.01),
    ('block0_0', 'query', 'bias'): (1.0, 0.01),
    ('block0_0', 'reduce_norm', 'scale'): (1.0, 0.0),
    ('norm3', 'bias'): (1.0, 0.0),
    ('main_head', 'fuse', 'kernel'): (10.0, 0.01),
    ('main_head', 'bn', 'scale'): (10.0, 0.0),
  }
  start, *grads = (
    {path: rng.normal(size=(3, 2)) for path in shapes} for _ in range(6)
  )
  lr, power, total, warmup = 0.1, 0.9, 10, 2
  theirs = {path: torch.tensor(x) for path, x in start.items()}
  tx = torch.optim.AdamW(
    [
      {'params': [theirs[path]], 'weight_decay': decay}
      for path, (_, decay) in shapes.items()
    ],
    betas=ADAMW['betas'],
  )
  ours = traverse_util.unflatten_dict(start)
  schedule = optimizers.poly(
    lr, power=power, decay_steps=total, warmup_steps=warmup
  )
  mine = optimizers.segmenter_adamw(schedule, head_lr_scale=10.0, **ADAMW)
  state, move = mine.init(ours), jax.jit(mine.update)
  for step, grad in enumerate(grads):
    risen, decayed = step / warmup, (1 - step / total) ** power
    rates = zip(tx.param_groups, shapes.values(), strict=True)
    for group, (scale, _) in rates:
      group['lr'] = scale * lr * (risen if step < warmup else decayed)
    for path, tensor in theirs.items():
      tensor.grad = torch.tensor(grad[path])
    tx.step()
    updates, state = move(
      traverse_util.unflatten_dict(grad), state, ours, step=step
    )
    ours = jax.tree.map(jnp.add, ours, updates)
  for path, found in traverse_util.flatten_dict(ours).items():
    np.testing.assert_allclose(found, theirs[path], rtol=1e-5, atol=1e-5)
    assert not np.allclose(found, start[path], atol=0.1)


def test_adamw_counts_the_updates_of_each_module():
  """As some methods move heads more often than what is below."""
  params = {
    'conv1': {'kernel': jnp.ones(2)},
    'main_head': {'fuse': {'kernel': jnp.ones(2)}},
  }
  tx = optimizers.segmenter_adamw(lambda _: 0.1, head_lr_scale=1.0, **ADAMW)
  grads = jax.tree.map(lambda x: 0.5 * x, params)
  heads = {'main_head': grads['main_head']}
  state = tx.init(params)
  for _ in range(3):
    _, state = tx.update(heads, state, params)
  late, after = tx.update({'conv1': grads['conv1']}, state, params)
  assert late.keys() == {'conv1'}
  assert after['main_head'] is state['main_head']
  first, _ = tx.update(grads, tx.init(params), params)
  np.testing.assert_allclose(
    late['conv1']['kernel'], first['conv1']['kernel'], rtol=1e-6
  )
