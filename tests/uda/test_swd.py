"""SWD against published pieces (../shared/reference/uda), and its traps."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import players
import published
import pytest
from scipy import special

from configs import gta_active
from pointsup_jax.evaluation import inference
from pointsup_jax.models import pretrained, resnet
from pointsup_jax.training import scenes, step
from pointsup_jax.types import Batch, Outputs
from pointsup_jax.uda import strategy, swd
from pointsup_jax.uda.scene import Scene, Seen

SETTINGS = strategy.Settings(Outputs(aux=0.0, main=1.0))
METHOD = swd.swd(SETTINGS)
assert_close = functools.partial(np.testing.assert_allclose, rtol=1e-12)


@pytest.fixture(scope='module')
def reference(shared):
  return np.load(shared / 'reference' / 'uda' / 'swd.npz')


@jax.enable_x64(True)
def test_the_distance_is_taken_per_image(reference):
  one, other, directions = (
    jnp.asarray(reference[name]) for name in ('probs1', 'probs2', 'projections')
  )
  for i in (0, 1):
    found = swd.sliced_wasserstein(one[i : i + 1], other[i : i + 1], directions)
    assert_close(found, reference[f'swd/image{i}'])
  found = swd.sliced_wasserstein(one, other, directions)
  assert_close(found, reference['swd/mean_of_images'])


@jax.enable_x64(True)
def test_the_gradient_of_the_distance(reference):
  def loss(*logits):
    maps = (jax.nn.softmax(x) for x in logits)
    return swd.sliced_wasserstein(*maps, jnp.asarray(reference['projections']))

  logits = (jnp.float64(reference[f'logits{i}'][:1]) for i in (1, 2))
  for i, found in enumerate(jax.grad(loss, argnums=(0, 1))(*logits), 1):
    expected = reference[f'swd/grad_logits{i}']
    atol = 1e-12 * np.abs(expected).max()
    np.testing.assert_allclose(found[0], expected, rtol=0, atol=atol)


@jax.enable_x64(True)
def test_one_channel_needs_no_projection(reference):
  one, other = (reference[f'one/{x}'].reshape(1, 9, 17, 1) for x in 'ab')
  directions = swd.directions(jax.random.key(0), 1)
  found = swd.sliced_wasserstein(one, other, directions)
  # A direction of length 1 is 1 or -1.
  np.testing.assert_allclose(found, reference['one/swd'], rtol=1e-12)


@pytest.fixture(scope='module')
def steps(shared):
  return np.load(shared / 'reference' / 'uda' / 'swd_steps.npz')


@pytest.fixture(scope='module')
def run(shared, steps):
  """The states around two steps of A, B, C, C, with each move's metrics."""
  recipe = published.recipe(shared)
  aux_reads = METHOD.model['aux_reads']
  learner = published.learner(decay_steps=8, repeat=False, aux_reads=aux_reads)
  tensors = published.segmenter_tensors(shared, recipe, aux_reads)
  variables = pretrained.from_torch(tensors)
  init = jax.jit(functools.partial(learner.init, players=METHOD.players))
  state = init(jax.random.key(0), variables)
  game = scenes.Game(learner, METHOD, step.Supervision(aux=1.0))
  learn, part, agree = METHOD.moves

  @jax.jit
  def whole_step(state, pair, projections):
    drawn = iter(projections)
    with pytest.MonkeyPatch.context() as patch:
      patch.setattr(swd, 'directions', lambda *_: next(drawn))
      logged = []
      for move in (learn, part, agree, agree):
        state, _, metrics = step.make(
          game, move, state, pair, step.Passes({}, {}), jax.random.key(0)
        )
        logged.append(metrics)
    return state.replace(step=state.step + 1), logged

  states, history = [state], []
  for i in range(2):
    pair = published.batch_of(recipe, i)
    of_step = steps['projections'][3 * i : 3 * i + 3].astype(np.float32)
    state, logged = whole_step(state, pair, of_step)
    states.append(state)
    history.append(jax.device_get(logged))
  return states, history


@pytest.mark.slow
@pytest.mark.parametrize('i', [0, 1])
def test_every_loss_of_the_composed_steps(run, steps, i):
  learn, part, *agree = run[1][i]
  for move, of_move in (('A', learn), ('B', part)):
    for head, name in ((1, 'aux'), (2, 'main')):
      np.testing.assert_allclose(
        of_move[f'source_{name}'],
        steps[f'{move}_ce{head}'][i],
        rtol=(1e-4, 5e-4)[i],
        err_msg=f'{move} {name}',
      )
  found = [part['distance_heads'], *(x['distance_backbone'] for x in agree)]
  expected = [steps['B_swd'][i], *steps['C_swd'][i]]
  np.testing.assert_allclose(found, expected, rtol=(1e-3, 3e-3)[i])


@pytest.mark.slow
def test_every_tensor_moves_as_far_as_in_the_composed_steps(run, steps):
  states = [published.tensors(state) for state in run[0]]
  for column, name in enumerate(steps['names']):
    name = str(name).removeprefix('segmenter/')
    for i in (0, 1):
      old, new = (np.float64(states[j][name]) for j in (i, i + 1))
      published.assert_moved(old, new, steps, column, i, name)


# Without reference numbers.


def random_maps(seed):
  rng = np.random.default_rng(seed)
  return jnp.asarray(special.softmax(rng.normal(size=(2, 6, 8, 5)), axis=-1))


@jax.enable_x64(True)
def test_the_distance_compares_sets_of_each_image():
  one, other = random_maps(0), random_maps(1)
  directions = swd.directions(jax.random.key(0), 5)
  np.testing.assert_allclose(jnp.linalg.norm(directions, axis=0), 1)
  assert directions.shape == (5, 128)

  def distance(one, other):
    return float(swd.sliced_wasserstein(one, other, directions))

  value = distance(one, other)
  assert value > 1e-4
  assert distance(other, one) == value
  order = np.random.default_rng(2).permutation(48)
  shuffled = one.reshape(2, 48, 5)[:, order].reshape(one.shape)
  assert_close(distance(shuffled, other), value)
  assert distance(shuffled, one) == 0
  # Images do not mix: exchanging them between the sets changes the number.
  assert distance(one[::-1], other) != value
  separate = [distance(one[i : i + 1], other[i : i + 1]) for i in (0, 1)]
  assert_close(value, np.mean(separate))
  # NumPy's own sorts.
  ranked = [
    np.sort(np.asarray(x).reshape(2, 48, 5) @ directions, axis=1)
    for x in (one, other)
  ]
  assert_close(value, np.mean((ranked[0] - ranked[1]) ** 2))


def compiled(method, **supervision):
  return jax.jit(
    functools.partial(
      step.train_step,
      learner=players.learner_of(method),
      strategy=method,
      supervision=step.Supervision(aux=1.0, **supervision),
    )
  )


def test_the_key_draws_the_directions():
  """The step derives it from the seed and the step, so resumed runs agree."""
  small = Outputs(*(random_maps(i).astype(jnp.float32) for i in (0, 1)))
  nothing = Batch(np.zeros(0), np.zeros(0))
  seen = {'target': Seen(nothing, small, small, {})}

  def value(seed):
    key = jax.random.key(seed)
    scene = Scene(seen, None, None, {}, jnp.int32(0), key)
    loss, terms = swd.distance(scene, weight=-3.0, name='x')
    assert_close(loss, -3 * terms['x'])
    return float(loss)

  assert value(0) == value(0) != value(1)


@pytest.mark.slow
@pytest.mark.parametrize(
  ('number', 'moving'),
  [(0, {'backbone', 'heads'}), (1, {'heads'}), (2, {'backbone'})],
)
def test_a_part_that_does_not_move_keeps_parameters_and_momentum(
  number, moving
):
  learner = players.learner_of(METHOD)
  game = scenes.Game(learner, METHOD, step.Supervision(aux=1.0, answers=1.0))
  state = players.fresh_state(METHOD)
  after, _, metrics = jax.jit(
    lambda state, pair: step.make(
      game,
      METHOD.moves[number],
      state,
      pair,
      step.Passes({}, {}),
      jax.random.key(0),
    )
  )(state, players.random_pair(0))
  assert all(np.isfinite(x) for x in jax.tree.leaves(metrics))
  for module in state.segmenter['params']:
    part = 'heads' if module.endswith('_head') else 'backbone'
    for of in (
      lambda x: x.segmenter['params'],
      lambda x: x.opt_state.momentum,
    ):
      pairs = zip(
        jax.tree.leaves(of(state)[module]),
        jax.tree.leaves(of(after)[module]),
        strict=True,
      )
      same = all(np.array_equal(a, b) for a, b in pairs)
      # Batch norm's own parameters are frozen.
      assert same == (part not in moving or module == 'bn1'), module


@pytest.mark.slow
def test_the_heads_part_and_the_backbone_follows():
  """Each move alone, many times on one batch, pulls where it should."""
  strong = swd.swd(strategy.Settings(Outputs(aux=0.0, main=100.0)))
  for number, sign in ((1, 1), (2, -1)):
    move = strong.moves[number]
    method = strategy.Strategy(
      moves=(move._replace(supervised=False),), model=METHOD.model
    )
    train_step, state = compiled(method), players.fresh_state(method)
    seen = []
    for _ in range(20):
      state, metrics = train_step(state, players.random_pair(0))
      (value,) = metrics.values()
      seen.append(float(value))
    assert np.sign(np.mean(seen[-5:]) - np.mean(seen[:5])) == sign


@pytest.mark.slow
def test_training_in_stage_3_adds_the_answers():
  train_step, state = compiled(METHOD, answers=1.0), players.fresh_state(METHOD)
  for i in range(3):
    state, metrics = train_step(state, players.random_pair(i))
    assert all(np.isfinite(x) for x in jax.tree.leaves(metrics))
  assert {
    'answers_main', 'source_aux', 'distance_heads', 'distance_backbone',
  } <= set(metrics)  # fmt: skip


@pytest.mark.slow
def test_acquisition_sees_the_mean_of_both_predictions():
  learner = players.learner_of(METHOD)
  variables = learner.init_segmenter(jax.random.key(0))
  images = players.random_pair(0).target.images
  seen = inference.small_logits(learner.segmenter, variables, images)
  outputs = learner.segmenter.apply(
    variables, resnet.preprocess(images), train=False
  )
  mean = sum(jax.nn.softmax(x) for x in outputs) / 2
  np.testing.assert_allclose(jax.nn.softmax(seen), mean, atol=1e-6)


def test_the_row_is_swd_s():
  config = gta_active.get_config('swd')
  # With another weight of the aux head it is another method.
  assert config.losses.aux == 1.0
  assert not config.optim.repeat
