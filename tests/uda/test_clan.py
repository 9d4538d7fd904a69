"""CLAN against its published code (../shared/reference/uda), and its traps."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import players
import pytest

from configs import gta_active, synthia_active
from pointsup_jax.evaluation import inference
from pointsup_jax.losses import domain_loss
from pointsup_jax.models import discriminator, resnet
from pointsup_jax.training import step
from pointsup_jax.types import IGNORE, Batch, Outputs
from pointsup_jax.uda import clan, strategy
from pointsup_jax.uda.scene import Scene, Seen

GTA5 = strategy.Settings(
  Outputs(aux=0.0, main=0.001),
  decay_steps=100_000,
  warmup_steps=5_000,
  disagreement=40.0,
)
SYNTHIA = GTA5._replace(disagreement=10.0)
AFTER_WARM_UP = 5_001


@pytest.fixture(scope='module')
def reference(shared):
  return np.load(shared / 'reference' / 'uda' / 'clan.npz')


def close(found, expected):
  """To 1e-6 of the largest number."""
  atol = 1e-6 * np.abs(expected).max()
  np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


def channels_last(x):
  return jnp.asarray(np.moveaxis(x, 0, -1)[None], jnp.float64)


def channels_first(x):
  return np.moveaxis(x[0], -1, 0)


def logits_of(reference, domain=''):
  return Outputs(
    *(channels_last(reference[f'{domain}logits{i}']) for i in (1, 2))
  )


def scene(reference, params, at, target=None):
  """What a move sees of the reference's domains and discriminator."""
  nothing = Batch(np.zeros(0), np.zeros(0))
  domains = {
    'source': logits_of(reference, 'source_'),
    'target': target or logits_of(reference),
  }
  module = discriminator.Discriminator(width=4)
  head = {'kernel': jnp.arange(1.0, 3.0)}  # likeness 2 whatever the scale
  return Scene(
    {name: Seen(nothing, x, x, {}) for name, x in domains.items()},
    lambda name, x: module.apply({'params': params[name]}, x),
    None,
    {'heads': {'aux_head': head, 'main_head': head}},
    jnp.int32(at),
    jax.random.key(0),
  )


def judge(reference):
  layers = ('conv1', 'conv2', 'conv3', 'conv4', 'classifier')
  return {
    'main': {
      f'conv{2 * i}': {
        'kernel': jnp.asarray(
          reference[f'judge/{name}.weight'].transpose(2, 3, 1, 0), jnp.float64
        ),
        'bias': jnp.asarray(reference[f'judge/{name}.bias'], jnp.float64),
      }
      for i, name in enumerate(layers)
    }
  }


@jax.enable_x64(True)
def test_the_focal_loss(reference):
  labels = reference['labels'][None]
  counted = labels != IGNORE

  def loss(logits):
    return jnp.sum(clan.focal(logits, labels) * counted) / counted.sum()

  value, gradient = jax.value_and_grad(loss)(logits_of(reference).aux)
  close(value, reference['focal/loss'])
  close(channels_first(gradient), reference['focal/grad_logits1'])


@jax.enable_x64(True)
def test_the_weight_map(reference):
  logits = logits_of(reference)
  close(clan.disagreement(logits)[0], reference['weight_map'])
  gradient = jax.grad(lambda x: jnp.sum(clan.disagreement(x)))(logits)
  close(channels_first(gradient.aux), reference['weight_map/grad_logits1'])


@jax.enable_x64(True)
def test_the_judged_map(reference):
  seen = scene(reference, judge(reference), AFTER_WARM_UP)
  found = clan.judged(seen, seen.target)
  close(found[0], reference['judge/out_upsampled'])
  for name, label in (('source', 0.0), ('target', 1.0)):
    close(domain_loss.bce(found, label), reference[f'bce/{name}'])


@pytest.mark.parametrize(
  ('settings', 'name'), [(GTA5, 'gta5'), (SYNTHIA, 'synthia')]
)
@jax.enable_x64(True)
def test_the_weighted_losses(settings, name, reference):
  seen = scene(reference, judge(reference), AFTER_WARM_UP)
  _, fooled = clan.fool(seen, settings=settings)
  _, told = clan.tell_apart(seen, settings=settings)
  close(fooled['fool_main'], reference[f'weighted_bce/{name}/source'])
  close(told['opponent_target'], reference[f'weighted_bce/{name}/target'])


@pytest.mark.parametrize('kind', ['attached', 'detached'])
@jax.enable_x64(True)
def test_the_gradient_passes_through_the_weights(kind, reference, monkeypatch):
  if kind == 'detached':
    whole = clan.pixel_weights
    monkeypatch.setattr(
      clan, 'pixel_weights', lambda *x: jax.lax.stop_gradient(whole(*x))
    )

  def loss(target):
    seen = scene(reference, judge(reference), AFTER_WARM_UP, target)
    return clan.fool(seen, settings=GTA5)[1]['fool_main']

  value, gradient = jax.value_and_grad(loss)(logits_of(reference))
  close(value, reference[f'fool/{kind}/loss'])
  for i, found in enumerate(gradient, 1):
    close(channels_first(found), reference[f'fool/{kind}/grad_logits{i}'])


@jax.enable_x64(True)
def test_the_opponent_s_loss_is_not_halved(reference):
  def loss(params):
    return clan.tell_apart(
      scene(reference, params, AFTER_WARM_UP), settings=GTA5
    )

  (value, terms), gradient = jax.value_and_grad(loss, has_aux=True)(
    judge(reference)
  )
  for name in ('source', 'target'):
    close(terms[f'opponent_{name}'], reference[f'opponent/loss_{name}'])
  assert value == sum(terms.values())
  for name, own in (('conv1', 'conv0'), ('classifier', 'conv8')):
    found = gradient['main'][own]
    kernel = reference[f'opponent/grad/{name}.weight']
    close(found['kernel'].transpose(3, 2, 0, 1), kernel)
    close(found['bias'], reference[f'opponent/grad/{name}.bias'])


@jax.enable_x64(True)
def test_the_heads_likeness(reference):
  def head(number, kind='weights/'):
    return {
      f'conv{i}': {
        own: jnp.asarray(
          reference[f'{kind}{number}conv2d_list.{i}.{name}'], jnp.float64
        )
        for own, name in (('kernel', 'weight'), ('bias', 'bias'))
      }
      for i in range(4)
    }

  value, gradient = jax.value_and_grad(clan.likeness)(head('5/'), head('6/'))
  close(value, reference['weights/discrepancy'])
  jax.tree.map(close, gradient, head('', 'weights/grad5/'))


@jax.enable_x64(True)
def test_the_schedule(reference):
  for at, used, damping in zip(
    reference['schedule/step'],
    reference['schedule/local_weights_used'],
    reference['schedule/damping'],
    strict=True,
  ):
    seen = scene(reference, judge(reference), at)
    weights = clan.pixel_weights(seen, GTA5)
    assert bool(np.any(weights != 1)) == bool(used), at
    nothing = GTA5._replace(weights=Outputs(0.0, 0.0))
    loss, logged = clan.fool(seen, settings=nothing)
    close(loss, 0.02 * logged['heads_alike'] * damping)


# Without reference numbers.


METHOD = clan.clan(GTA5._replace(decay_steps=10, warmup_steps=1))


@pytest.fixture(scope='module')
def train_step():
  return jax.jit(
    functools.partial(
      step.train_step,
      learner=players.learner_of(METHOD),
      strategy=METHOD,
      supervision=step.Supervision(aux=1.0, answers=1.0),
    )
  )


def test_clipped_probabilities_have_no_gradient():
  """q below 1e-9 costs what 1e-9 does, and q = 1 costs nothing."""
  logits = jnp.array([[[[0.0, 40.0], [0.0, 200.0], [200.0, 0.0]]]])
  labels = np.zeros((1, 1, 3), np.uint8)
  losses = clan.focal(logits, labels)[0, 0]
  np.testing.assert_allclose(losses, [20.723266, 20.723266, 0], rtol=1e-6)
  gradient = jax.grad(lambda x: jnp.sum(clan.focal(x, labels)))(logits)
  np.testing.assert_array_equal(gradient, np.zeros_like(gradient))


@pytest.mark.slow
def test_the_step_is_not_compiled_in(train_step):
  """One program serves the warm-up and what follows; its loss is damped."""
  fresh, pair = players.fresh_state(METHOD), players.random_pair(0)
  told, damping = [], []
  for at in (1, 2, 9):
    _, metrics = train_step(fresh.replace(step=jnp.int32(at)), pair)
    told.append(float(metrics['opponent_target']))
    labelled = sum(
      metrics[f'{kind}_{head}']
      for kind in ('source', 'answers')
      for head in Outputs._fields
    )
    whole = 0.001 * metrics['fool_main'] + 0.02 * metrics['heads_alike']
    damping.append(float((metrics['loss'] - labelled) / whole))
  assert told[0] != told[1] == told[2]
  np.testing.assert_allclose(damping, [0.9, 0.8, 0.1], rtol=1e-3)


def moved(old, new):
  changed = jax.tree.map(lambda a, b: bool(np.any(a != b)), old, new)
  return any(jax.tree.leaves(changed))


@pytest.mark.slow
def test_training_moves_all_its_parts(train_step):
  state = fresh = players.fresh_state(METHOD)
  for i in range(4):
    state, metrics = train_step(state, players.random_pair(i))
    assert all(np.isfinite(x) for x in jax.tree.leaves(metrics))
  for name in ('conv1', 'layer4_0', 'aux_head', 'main_head'):
    old, new = (x.segmenter['params'][name] for x in (fresh, state))
    assert moved(old, new), name
  assert moved(fresh.opponents['main'].params, state.opponents['main'].params)


@pytest.mark.slow
def test_acquisition_sees_the_sum_of_the_heads():
  learner = players.learner_of(METHOD)
  variables = learner.init_segmenter(jax.random.key(0))
  images = players.random_pair(0).target.images
  seen = inference.small_logits(learner.segmenter, variables, images)
  outputs = learner.segmenter.apply(
    variables, resnet.preprocess(images), train=False
  )
  np.testing.assert_allclose(seen, outputs.aux + outputs.main, atol=1e-5)


def test_the_rows_are_clan_s():
  gta, synthia = (x.get_config('clan') for x in (gta_active, synthia_active))
  for config in (gta, synthia):
    # With another weight of the aux head it is another method.
    assert config.losses.aux == 1.0
    assert config.losses.target_main == 0.001
    assert config.optim.warmup_steps == 5_000
    assert config.optim.decay_steps == config.uda.steps == 100_000
  assert gta.losses.disagreement == 40.0
  assert synthia.losses.disagreement == 10.0
