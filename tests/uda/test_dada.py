import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import players
import pytest
from flax import linen as nn

from pointsup_jax.losses import entropy
from pointsup_jax.models import (
  deeplab,
  depth_branch,
  discriminator,
  pretrained,
  upsample,
)
from pointsup_jax.training import step, supervision
from pointsup_jax.types import Batch, Outputs, Pair
from pointsup_jax.uda import dada, strategy
from pointsup_jax.uda.scene import Scene, Seen

CLASSES = 5
METHOD = dada.dada(strategy.Settings(Outputs(aux=0.0, main=1e-3)))
FOOL, JUDGE = METHOD.moves


class Network(nn.Module):
  """What lies above the backbone, as wide as in dada.npz."""

  dtype: str

  @nn.compact
  def __call__(self, features):
    branch = depth_branch.DepthBranch(8, 4, self.dtype)
    nn.share_scope(self, branch)
    fused, depth = branch(features)
    head = deeplab.Head(CLASSES, self.dtype, name='main_head')
    return head(fused), depth, fused


@pytest.fixture(scope='module')
def reference(shared):
  with np.load(shared / 'reference/uda/dada.npz') as found:
    return dict(found)


def last(array):
  """Torch's channels second -> ours last."""
  return np.moveaxis(array, 1, -1)


def below(reference, start):
  names = [name for name in reference if name.startswith(start)]
  return {name.removeprefix(start): reference[name] for name in names}


def opponent(tensors):
  """The discriminator's parameters."""
  return {
    f'conv{i}': {
      'kernel': tensors[f'{i}.weight'].transpose(2, 3, 1, 0),
      'bias': tensors[f'{i}.bias'],
    }
    for i in range(0, 10, 2)
  }


def seen_by(net, reference, domain, size, dtype):
  features = last(reference[f'input/features_{domain}']).astype(dtype)
  small, depth, _ = Network(dtype).apply({'params': net}, features)
  logits = upsample.bilinear(small, size)
  batch = Batch(np.zeros(0), np.zeros(0))
  if domain == 'source':
    batch = Batch(
      np.zeros(0),
      reference['input/labels'],
      depth=reference['input/depth_file'],
    )
  heads = Outputs(aux=jnp.zeros_like(logits), main=logits)
  return Seen(batch, Outputs(small, small), heads, {'depth': depth})


def scene_of(net, judge, reference, dtype):
  seen = {
    'source': seen_by(net, reference, 'source', (65, 129), dtype),
    'target': seen_by(net, reference, 'target', (65, 97), dtype),
  }

  def ask(name, inputs):
    assert name == 'main'
    return discriminator.Discriminator(4).apply({'params': judge}, inputs)

  return Scene(seen, ask, None, {}, np.int32(0), jax.random.key(0))


@functools.partial(jax.jit, static_argnums=3)
def both_moves(net, judge, reference, dtype):
  """Losses and gradients of the published step, and what the judge saw."""

  def segmenter(net):
    scene = scene_of(net, judge, reference, dtype)
    loss, terms = FOOL.loss(scene)
    extra, more = supervision.source_loss(
      scene.source.logits, scene.source.batch, 0.0, METHOD.pixel_losses
    )
    seen = {name: (x.small.main, x.taps['depth'], dada.maps(x))
            for name, x in scene.seen.items()}  # fmt: skip
    return loss + extra, (terms | more, seen)

  def judges(judge):
    return JUDGE.loss(scene_of(net, judge, reference, dtype))[0]

  grads, (terms, seen) = jax.grad(segmenter, has_aux=True)(net)
  loss, of_judge = jax.value_and_grad(judges)(judge)
  return terms | {'opponent': loss}, grads, of_judge, seen


# The gradient of the judge's last bias is the difference of nearly equal sums.
@pytest.mark.parametrize(
  ('dtype', 'tolerance', 'of_gradients'),
  [('float64', 1e-12, 1e-12), ('float32', 1e-5, 1e-4)],
)
def test_network_losses_and_gradients_are_the_published_ones(
  reference, dtype, tolerance, of_gradients
):
  def close(found, expected, tolerance=tolerance):
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale)

  with jax.enable_x64(dtype == 'float64'):
    cast = functools.partial(jax.tree.map, lambda x: x.astype(dtype))
    net = cast(pretrained.from_torch(below(reference, 'weights/net/')))
    judge = cast(opponent(below(reference, 'weights/d_main/')))
    inputs = below(reference, 'input/')
    inputs = {f'input/{name}': x for name, x in inputs.items()}
    terms, grads, of_judge, seen = jax.device_get(
      both_moves(net['params'], judge, inputs, dtype)
    )
  for name, theirs in (
    ('source_main', 'seg_src'),
    ('depth_source', 'depth_src'),
    ('fool_main', 'adv_trg'),
  ):
    close(terms[name], reference[f'loss/{theirs}'])
  close(terms['opponent'], reference['loss/d_src'] + reference['loss/d_trg'])
  for domain, (small, depth, _) in seen.items():
    close(small, last(reference[f'{domain}/seg_small']))
    close(depth, last(reference[f'{domain}/depth_small']))
  judged = seen['target'][2][:, ::8, ::8]
  close(judged, last(reference['target/judged_sub']))
  for found, name in (
    (pretrained.to_torch({'params': grads}), 'net'),
    (of_judge, 'd_main'),
  ):
    expected = below(reference, f'grad/{name}/')
    if name == 'd_main':
      expected = opponent(expected)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    compare = functools.partial(close, tolerance=of_gradients)
    jax.tree.map(compare, found, expected)


@pytest.mark.parametrize('case', ['a', 'b'])
def test_berhu_is_the_published_one(reference, case):
  of_case = below(reference, f'berhu/{case}/')
  with jax.enable_x64(True):
    loss, grad = jax.value_and_grad(dada.berhu)(
      jnp.asarray(of_case['pred']), of_case['label']
    )
  np.testing.assert_allclose(loss, of_case['loss'], rtol=1e-12)
  np.testing.assert_allclose(grad, of_case['grad'], rtol=1e-12, atol=1e-15)


def test_the_judge_sees_self_information_times_depth(reference):
  of_case = below(reference, 'judged/')
  logits, depth = (last(of_case[name]) for name in ('logits', 'depth'))
  with jax.enable_x64(True):
    heads = Outputs(aux=jnp.asarray(logits), main=jnp.asarray(logits))
    seen = Seen(None, heads, heads, {'depth': jnp.asarray(depth)})
    found = dada.maps(seen)
  np.testing.assert_allclose(found, last(of_case['product']), rtol=1e-12)


# Without reference numbers: the traps.


def test_berhu_by_hand():
  """Its threshold, 0.2 * 10, is of the batch and is not differentiated."""
  predicted = jnp.array([[[1.0, -2.0]], [[3.0, 10.0]]])
  loss, grad = jax.value_and_grad(dada.berhu)(predicted, jnp.zeros((2, 1, 2)))
  errors = [1, 2, (3**2 + 2**2) / 4, (10**2 + 2**2) / 4]
  np.testing.assert_allclose(loss, np.mean(errors), rtol=1e-6)
  np.testing.assert_allclose(grad.ravel() * 4, [1, -1, 1.5, 5], rtol=1e-6)


def test_equal_depths_cost_nothing_and_give_no_nan():
  depth = jnp.full((2, 3, 4), 7.0)
  loss, grad = jax.jit(jax.value_and_grad(dada.berhu))(depth, depth)
  assert loss == 0
  assert (np.asarray(grad) == 0).all()


def test_inverse_depth_does_not_overflow_16_bits():
  depth = np.array([65535, 0, 1000, 200], np.uint16)
  expected = 65536 / (depth.astype(np.int64) + 1)
  np.testing.assert_allclose(dada.inverse_depth(depth), expected, rtol=1e-6)


def test_logits_and_depth_are_enlarged_before_they_are_multiplied():
  rng = np.random.default_rng(0)
  small = rng.normal(size=(1, 3, 4, CLASSES)).astype(np.float32)
  depth = rng.normal(size=(1, 3, 4, 1)).astype(np.float32)
  logits = upsample.bilinear(jnp.asarray(small), (17, 25))
  heads = Outputs(aux=logits, main=logits)
  found = dada.maps(Seen(None, heads, heads, {'depth': jnp.asarray(depth)}))
  assert found.shape == (1, 17, 25, CLASSES)
  for row, old in ((0, 0), (16, 2)):  # corners are aligned
    expected = entropy.self_information(small[:, old, 0]) * depth[:, old, 0]
    np.testing.assert_allclose(found[:, row, 0], expected, atol=1e-5)
  assert (np.asarray(found) < 0).any()  # the depth is not bounded below


def test_the_branch_by_its_formula():
  """No ReLU on the code, whose mean is the depth; one on what it decodes to."""
  branch = depth_branch.DepthBranch(6, 4, 'float32')
  rng = np.random.default_rng(0)
  x = rng.normal(size=(1, 1, 1, 8)).astype(np.float32)
  params = branch.init(jax.random.key(0), x)['params']
  params = jax.tree.map(lambda p: rng.normal(size=p.shape), params)
  # So that the code is negative.
  params['depth_enc3'] = jax.tree.map(np.negative, params['depth_enc3'])
  fused, depth = branch.apply({'params': params}, x)

  def layer(name, x):  # of one pixel: the middle of the kernel
    kernel = params[name]['kernel']
    middle = kernel[kernel.shape[0] // 2, kernel.shape[1] // 2]
    return x @ middle + params[name]['bias']

  y = np.maximum(layer('depth_enc1', x), 0)
  y = np.maximum(layer('depth_enc2', y), 0)
  code = layer('depth_enc3', y)
  assert (code < 0).any()
  np.testing.assert_allclose(depth[..., 0], code.mean(-1), rtol=1e-5)
  decoded = np.maximum(layer('depth_dec', code), 0)
  np.testing.assert_allclose(fused, x * decoded, rtol=1e-5)


def test_fresh_biases_are_torch_s():
  """Zero ones would leave the main head nothing to read."""
  branch = depth_branch.DepthBranch(512, 128, 'float32')
  x = jnp.zeros((1, 1, 1, 2048))
  params = jax.jit(branch.init)(jax.random.key(0), x)['params']
  for name, inputs in (
    ('depth_enc1', 2048), ('depth_enc2', 9 * 512), ('depth_enc3', 512),
    ('depth_dec', 128),
  ):  # fmt: skip
    bound = inputs**-0.5
    largest = np.abs(params[name]['bias']).max()
    assert 0.95 * bound < largest <= bound, name
    np.testing.assert_allclose(params[name]['kernel'].std(), 0.01, rtol=0.02)


def learner():
  small = players.small_learner()
  segmenter = small.segmenter.clone(depth=True)
  return dataclasses.replace(small, segmenter=segmenter)


def pair_with_depth(seed=0):
  source, target = players.random_pair(seed, target_labels=False)
  rng = np.random.default_rng(seed)
  depth = rng.integers(50, 65536, source.labels.shape).astype(np.uint16)
  return Pair(source._replace(depth=depth), target)


@functools.cache
def compiled():
  return jax.jit(
    functools.partial(
      step.train_step,
      learner=learner(),
      strategy=METHOD,
      supervision=step.Supervision(aux=0.0),
    )
  )


def fresh():
  key = jax.random.key(0)
  return learner().init(key, learner().init_segmenter(key), METHOD.players)


@pytest.mark.slow
def test_it_trains_and_the_source_s_depth_alone_matters():
  state = start = fresh()
  pair, losses = pair_with_depth(), []
  for _ in range(10):
    state, metrics = compiled()(state, pair)
    losses.append(jax.device_get(metrics))
  assert all(np.isfinite(list(one.values())).all() for one in losses)
  assert losses[-1]['depth_source'] < losses[0]['depth_source']
  for name in depth_branch.MODULES:
    before, now = (x.segmenter['params'][name] for x in (start, state))
    assert not np.array_equal(before['kernel'], now['kernel'])
  assert list(state.opponents) == ['main']
  once, metrics = compiled()(start, pair)
  expected = metrics['source_main'] + 1e-3 * (
    metrics['depth_source'] + metrics['fool_main']
  )
  np.testing.assert_allclose(metrics['loss'], expected, rtol=1e-6)
  other = pair._replace(
    source=pair.source._replace(depth=pair.source.depth // 2)
  )
  changed, _ = compiled()(start, other)
  one, two = (
    x.segmenter['params']['depth_enc3']['kernel'] for x in (once, changed)
  )
  assert not np.array_equal(one, two)
  # Its own move looks at the passes before: the same ones.
  players.assert_equal(once.opponents, changed.opponents)
