import functools

import features
import jax
import jax.numpy as jnp
import numpy as np
import players
import pytest
import saying
from features import scene, seen

from configs import streets_active
from pointsup_jax.run import methods
from pointsup_jax.training import checkpoint, step
from pointsup_jax.types import Outputs
from pointsup_jax.uda import road, strategy

METHOD = road.road(strategy.Settings(Outputs(0.0, 0.0)))
exactly = functools.partial(np.testing.assert_allclose, rtol=1e-12, atol=1e-15)


@pytest.fixture
def numbers(shared):
  return features.reference(shared, 'road')


def test_the_distance_by_its_equation(numbers):
  with jax.enable_x64(True):
    loss, grad = jax.value_and_grad(road.distance)(
      jnp.asarray(numbers['student']), jnp.asarray(numbers['teacher'])
    )
  exactly(loss, numbers['distillation/loss'])
  exactly(grad, numbers['distillation/grad_student'])


@pytest.mark.parametrize(('apart', 'pulled'), [(1e-6, False), (1e-2, True)])
def test_what_differs_by_rounding_is_not_pulled(apart, pulled):
  teacher = jax.random.normal(jax.random.key(0), (1, 2, 3, 64))
  student = teacher * (1 + apart)
  loss, grad = jax.value_and_grad(road.distance)(student, teacher)
  assert bool(loss > 0) == pulled
  lengths = jnp.linalg.norm(grad, axis=-1) * 6
  np.testing.assert_allclose(lengths, float(pulled), rtol=1e-5)


def test_the_regions(numbers):
  np.testing.assert_array_equal(road.regions(10, 17), numbers['spatial/region'])
  for name, sizes in numbers.items():
    if name.startswith('spatial/sizes/'):
      height, width = map(int, name.rpartition('/')[2].split('x'))
      numbered = road.regions(height, width).ravel()
      np.testing.assert_array_equal(np.bincount(numbered), sizes)


def test_the_spatial_loss_by_its_equation(numbers):
  def loss(source, target, move):
    # The student is the teacher: nothing is distilled.
    return move.loss(scene(seen(source), seen(target), teacher=target))[0]

  adapt, tell_apart = METHOD.moves
  with jax.enable_x64(True):
    logits = [
      jnp.asarray(numbers[f'spatial/logits_{x}']) for x in ('source', 'target')
    ]
    per_region = [
      road.region_losses(x, label)
      for x, label in zip(logits, (0.0, 1.0), strict=True)
    ]
    grad = jax.value_and_grad(loss, (0, 1))
    told, grads = grad(*logits, tell_apart)
    reversed_, reversed_grads = grad(*logits, adapt)
  exactly(told, numbers['spatial/opponent_loss'])
  exactly(reversed_, 0.01 * numbers['spatial/reversed_loss'])
  for i, domain in enumerate(('source', 'target')):
    exactly(per_region[i], numbers[f'spatial/per_region_{domain}'])
    exactly(grads[i], numbers[f'spatial/opponent_grad_{domain}'])
    exactly(reversed_grads[i], -0.01 * np.asarray(grads[i]))  # both domains


def test_a_region_s_features_matter_to_its_classifier_alone():
  rng = np.random.default_rng(0)
  features = rng.normal(size=(2, 7, 11, 6)).astype(np.float32)
  sizes = players.small_learner().sizes._replace(conv5=6)
  module = road.REGIONS.build(sizes)
  variables = module.init(jax.random.key(0), features)

  def losses(features):
    return road.region_losses(module.apply(variables, features), 0.0)

  moved = features + np.where(road.regions(7, 11) == 4, 1, 0)[..., None]
  changed = np.asarray(losses(features) != losses(np.float32(moved)))
  np.testing.assert_array_equal(np.flatnonzero(changed), [4])


def test_a_region_s_losses_are_its_mean_whatever_its_size():
  """Numbers of 9 in the first region alone."""
  logits = np.where(road.regions(8, 16)[..., None] == 0, 9.0, 0.0)
  logits = np.broadcast_to(logits, (2, 8, 16, 9)).astype(np.float32)
  expected = np.full(9, np.log(2))
  expected[0] = np.log1p(np.exp(9))
  losses = road.region_losses(jnp.asarray(logits), 0.0)
  np.testing.assert_allclose(losses, expected, rtol=1e-6)
  # Maps of fewer rows and columns than the grid leave regions empty.
  assert np.isfinite(road.region_losses(jnp.ones((1, 2, 2, 9)), 0.0)).all()


@pytest.fixture(scope='module')
def trained():
  """The states of four steps from the teacher, and their metrics."""
  take = jax.jit(
    functools.partial(
      step.train_step,
      learner=players.small_learner(),
      strategy=METHOD,
      supervision=step.Supervision(aux=0.1, answers=1.0),
    )
  )
  states, logged = [players.fresh_state(METHOD)], []
  for number in range(4):
    state, metrics = take(states[-1], players.random_pair(number))
    states.append(jax.device_get(state))
    logged.append(jax.device_get(metrics))
  return states, logged


def test_at_step_0_nothing_is_distilled_and_gradients_are_finite(trained):
  (_, first, *_), logged = trained
  assert logged[0]['distillation'] == 0.0
  assert logged[-1]['distillation'] > 0.0
  assert all(np.isfinite(x).all() for x in jax.tree.leaves(first))


def test_the_loss_is_the_sum_of_its_terms(trained):
  _, logged = trained
  for m in logged:
    expected = (
      m['source_main'] + 0.1 * m['source_aux']
      + 0.1 * m['distillation'] - 0.01 * m['opponent_regions']
      + m['answers_main'] + 0.1 * m['answers_aux']
    )  # fmt: skip
    np.testing.assert_allclose(m['loss'], expected, rtol=1e-5)


def test_the_teacher_stays_and_the_others_move(trained):
  """The teacher's statistics too; those of the student are averages."""
  (start, *_, end), _ = trained
  teacher = end.opponents['teacher'].params
  players.assert_equal(teacher, start.segmenter)
  players.assert_equal(teacher, start.opponents['teacher'].params)
  moved = [
    (x.segmenter['params']['conv1'], x.segmenter['batch_stats'],
     x.opponents['regions'].params)
    for x in (start, end)
  ]  # fmt: skip
  for one, other in zip(*map(jax.tree.leaves, moved), strict=True):
    assert not np.array_equal(one, other)


def test_the_teacher_is_in_the_checkpoint(trained, tmp_path):
  (*_, end), _ = trained
  with checkpoint.Checkpoints(tmp_path, keep=1) as checkpoints:
    checkpoints.save(end)
    restored = checkpoints.restore(players.abstract(end))
  players.assert_equal(restored, end)


@pytest.mark.parametrize('stage', ['uda', 'adapt'])
def test_without_a_weight_file_the_teacher_is_noise(stage):
  config = streets_active.get_config()
  config[stage].strategy = 'road'
  message = saying.usage(lambda: methods.check(config))
  for word in (f"{stage}.strategy='road'", 'model.weights'):
    assert word in message
  config.model.weights = 'imagenet.pth'
  methods.check(config)
