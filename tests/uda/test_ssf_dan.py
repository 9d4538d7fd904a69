import functools

import features
import jax
import jax.numpy as jnp
import numpy as np
import players
import pytest
from features import scene, seen

from pointsup_jax.losses import domain_loss
from pointsup_jax.training import step
from pointsup_jax.types import Outputs
from pointsup_jax.uda import ssf_dan, strategy

STEPS = 100
METHOD = ssf_dan.ssf_dan(strategy.Settings(Outputs(0.0, 0.0), steps=STEPS))
FOOL, TELL_APART = METHOD.moves
exactly = functools.partial(np.testing.assert_allclose, rtol=1e-12, atol=1e-15)


@pytest.fixture
def numbers(shared):
  return features.reference(shared, 'ssf_dan')


# The confidence of steps 0 and STEPS / 2.
@pytest.mark.parametrize(('now', 'tau'), [(0, '0.0'), (50, '0.9'), (99, '0.9')])
def test_the_losses_by_their_equations(numbers, now, tau):
  of_tau = {
    name.partition('/')[2]: x
    for name, x in numbers.items()
    if name.startswith(f'tau{tau}/')
  }

  def losses(judged, move):
    # Labels at the features' size are those of the features' positions.
    source = seen(
      numbers['judge_source'],
      numbers['logits_target'],
      numbers['labels_source'],
    )
    target = seen(judged, numbers['logits_target'])
    return move.loss(scene(source, target, step=now))[0]

  with jax.enable_x64(True):
    numbers = {name: jnp.asarray(x) for name, x in numbers.items()}
    judged = numbers['judge_target']
    fool, grad = jax.value_and_grad(losses)(judged, FOOL)
    told = losses(judged, TELL_APART)
    classes = ssf_dan.confident(
      seen(judged, numbers['logits_target']),
      ssf_dan.threshold(jnp.int32(now), STEPS),
    )
    for name, given in (
      ('fool_per_class', (judged, classes, domain_loss.SOURCE)),
      ('opponent_target_per_class', (judged, classes, domain_loss.TARGET)),
      (
        'opponent_source_per_class',
        (
          numbers['judge_source'],
          numbers['labels_source'],
          domain_loss.SOURCE,
        ),
      ),
    ):
      found, present = ssf_dan.per_class(*given)
      exactly(np.where(present, found, np.nan), of_tau[name])
  np.testing.assert_array_equal(classes, of_tau['classes_target'])
  exactly(fool, 0.001 * of_tau['fool_loss'])
  exactly(grad, 0.001 * of_tau['fool_grad_judge_target'])
  exactly(told, of_tau['opponent_loss'])


def test_the_confidence_rises_over_the_first_half():
  found = [ssf_dan.threshold(jnp.int32(x), STEPS) for x in (0, 25, 50, 80)]
  np.testing.assert_allclose(found, [0, 0.45, 0.9, 0.9], rtol=1e-6)


def random_scene(classes=5, labels=None, scale=3.0, now=0):
  rng = np.random.default_rng(0)
  shape = (2, 6, 8, classes)
  source, target, logits = rng.normal(0, scale, (3, *shape)).astype(np.float32)
  if labels is None:
    labels = rng.integers(0, classes, shape[:-1])
  return scene(
    seen(source, source, np.uint8(labels)), seen(target, logits), step=now
  )


def test_one_class_and_no_threshold_are_a_plain_opponent_on_features():
  given = random_scene(classes=1, labels=np.zeros((2, 6, 8)))
  source, target = (x.taps['conv5'] for x in (given.source, given.target))
  np.testing.assert_allclose(
    FOOL.loss(given)[0],
    0.001 * domain_loss.bce(jnp.asarray(target), domain_loss.SOURCE),
    rtol=1e-6,
  )
  expected = domain_loss.bce(jnp.asarray(source), domain_loss.SOURCE)
  expected += domain_loss.bce(jnp.asarray(target), domain_loss.TARGET)
  np.testing.assert_allclose(TELL_APART.loss(given)[0], expected / 2, rtol=1e-6)


@pytest.mark.parametrize('move', METHOD.moves)
@pytest.mark.parametrize(
  ('labels', 'scale', 'now'),
  [
    (np.full((2, 6, 8), 3), 3.0, 0),  # a single class in the source
    (np.full((2, 6, 8), 255), 3.0, 0),  # none
    (None, 0.1, STEPS),  # no confident position in the target
    (None, 1e4, 0),  # some losses are 0
  ],
)
def test_absent_classes_leave_no_nan(move, labels, scale, now):
  given = random_scene(labels=labels, scale=scale, now=now)

  def loss(judged):
    target = given.target._replace(taps={'conv5': judged})
    return move.loss(
      given._replace(seen={'source': given.source, 'target': target})
    )[0]

  features = jnp.asarray(given.target.taps['conv5'])
  for judged in (features, -jnp.abs(features)):
    value, grad = jax.value_and_grad(loss)(judged)
    assert np.isfinite(value)
    assert np.isfinite(grad).all()


def test_other_classes_features_do_not_matter_to_a_class():
  rng = np.random.default_rng(1)
  features = rng.normal(size=(1, 6, 8, 7)).astype(np.float32)
  classes = rng.integers(0, 5, (1, 6, 8))
  sizes = players.small_learner().sizes._replace(conv5=7)
  module = ssf_dan.CLASSES.build(sizes)
  variables = module.init(jax.random.key(0), features)

  def losses(features):
    judged = module.apply(variables, features)
    return ssf_dan.per_class(judged, jnp.asarray(classes), 0.0)[0]

  moved = np.where((classes == 2)[..., None], features + 1, features)
  changed = np.asarray(losses(features) != losses(moved))
  np.testing.assert_array_equal(np.flatnonzero(changed), [2])


def test_labels_are_those_at_the_features_positions():
  """Corners are aligned: features lie 8 pixels apart in 33 and 41."""
  labels = np.random.default_rng(0).integers(0, 5, (2, 33, 41), np.uint8)
  small = np.zeros((2, 5, 6, 5), np.float32)
  found = ssf_dan.labelled(seen(small, small, labels))
  np.testing.assert_array_equal(found, labels[:, ::8, ::8])


@pytest.mark.slow
def test_it_trains():
  take = jax.jit(
    functools.partial(
      step.train_step,
      learner=players.small_learner(),
      strategy=METHOD,
      supervision=step.Supervision(aux=0.1, answers=1.0),
    )
  )
  start = players.fresh_state(METHOD)
  state = start
  for number in range(3):
    state, m = take(state, players.random_pair(number))
    assert all(np.isfinite(x) for x in m.values())
    expected = (
      m['source_main'] + 0.1 * m['source_aux'] + 0.001 * m['fool_classes']
      + m['answers_main'] + 0.1 * m['answers_aux']
    )  # fmt: skip
    np.testing.assert_allclose(m['loss'], expected, rtol=1e-5)
  moved = [
    (x.segmenter['params']['conv1'], x.opponents['classes'].params)
    for x in (start, state)
  ]
  for one, other in zip(*map(jax.tree.leaves, moved), strict=True):
    assert not np.array_equal(one, other)
