import functools

import jax
import jax.numpy as jnp
import numpy as np
import players
import pytest
from scipy import special

from pointsup_jax.training import step
from pointsup_jax.types import Batch, Outputs
from pointsup_jax.uda import scene, strategy, teacher

SETTINGS = strategy.Settings(Outputs(aux=0.1, main=1.0))


def logits_of(seed, sharp=1.0):
  rng = np.random.default_rng(seed)
  return np.float32(rng.normal(0, sharp, (2, 4, 6, players.CLASSES)))


def scene_of(labels, answered, logits):
  """A target with these labels, which a teacher sees as `logits`."""
  images = np.zeros((*labels.shape, 3), np.uint8)
  outputs = Outputs(aux=logits, main=logits)
  target = scene.Seen(Batch(images, labels, answered), outputs, outputs, {})
  return scene.Scene(
    {'target': target}, None, lambda name, batch: target, {}, 0, None
  )


@pytest.mark.parametrize('with_guesses', [False, True])
def test_answers_take_the_place_of_the_teacher_s_labels(with_guesses):
  logits = logits_of(0, sharp=5.0)
  labels = np.full((2, 4, 6), 255, np.uint8)
  labels[0, 0, :3] = 4
  labels[1, 2] = 2
  answered = labels != 255
  if with_guesses:
    answered[1, 2, :] = False
  found = teacher.taught(
    scene_of(labels, answered if with_guesses else None, logits)
  )
  expected = np.where(answered, labels, logits.argmax(-1))
  np.testing.assert_array_equal(found.labels, expected)
  share = (special.softmax(np.float64(logits), -1).max(-1) >= 0.968).mean()
  assert 0.2 < share < 0.9
  np.testing.assert_allclose(found.weights, np.where(answered, 1, share))


def test_the_loss_is_weighted_by_pixel():
  logits, rng = logits_of(1), np.random.default_rng(2)
  labels = rng.integers(0, players.CLASSES, (2, 4, 6), dtype=np.uint8)
  labels[0, 0] = 255
  weights = rng.uniform(0, 1, labels.shape).astype(np.float32)
  found = teacher.weighted_mean(logits, Batch(None, labels, weights=weights))
  losses = -special.log_softmax(np.float64(logits), -1)
  counted = labels != 255
  losses = np.take_along_axis(
    losses, np.where(counted, labels, 0)[..., None], -1
  )[..., 0]
  expected = (losses * weights)[counted].sum() / counted.sum()
  assert found == pytest.approx(expected, rel=1e-5)


@functools.cache
def compiled(build, answers):
  method = build(SETTINGS)
  return method, jax.jit(
    functools.partial(
      step.train_step,
      learner=players.small_learner(),
      strategy=method,
      supervision=step.Supervision(aux=0.1, answers=answers),
    )
  )


@pytest.mark.slow
@pytest.mark.parametrize(
  ('build', 'answers'), [(teacher.teacher, 0.0), (teacher.masked_teacher, 1.0)]
)
def test_it_trains_in_both_stages_and_the_teacher_follows(build, answers):
  method, train_step = compiled(build, answers)
  state, pair = players.fresh_state(method), players.random_pair(0)
  teachers = state.segmenter['params']
  for number in range(4):
    state, metrics = train_step(state, pair)
    kept = min(1 - 1 / (number + 1), 0.999)
    teachers = jax.tree.map(
      lambda old, new, kept=kept: kept * old + (1 - kept) * new,
      teachers,
      state.segmenter['params'],
    )
  found = state.opponents['teacher'].params
  jax.tree.map(
    functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6),
    found['params'],
    teachers,
  )
  players.assert_equal(found['batch_stats'], state.segmenter['batch_stats'])
  assert all(jnp.isfinite(x) for x in metrics.values())
  assert 0 <= metrics['confidence'] <= 1
  assert ('hidden_main' in metrics) == (build is teacher.masked_teacher)


@pytest.mark.slow
def test_each_step_mixes_anew_and_a_repeated_one_the_same():
  method, train_step = compiled(teacher.teacher, 0.0)
  state, pair = players.fresh_state(method), players.random_pair(0)
  one, again = (train_step(state, pair)[1] for _ in range(2))
  later = train_step(state.replace(step=state.step + 1), pair)[1]
  assert one['mixed_main'] == again['mixed_main'] != later['mixed_main']
