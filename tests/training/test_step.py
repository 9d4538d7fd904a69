"""What one step may and may not depend on, and what it changes."""

import functools

import jax
import numpy as np
import players
import pytest

from pointsup_jax.training import step
from pointsup_jax.types import Outputs
from pointsup_jax.uda import advent, source_only

ADVENT = advent.advent(Outputs(aux=2e-4, main=1e-3))
SOURCE_ONLY = source_only.SourceOnly()


@functools.cache
def compiled(strategy, target_weight=0.0, target_statistics=False):
  return jax.jit(
    functools.partial(
      step.train_step,
      learner=players.small_learner(target_statistics),
      strategy=strategy,
      supervision=step.Supervision(aux=0.1, target=target_weight),
    )
  )


def equal(one, two):
  leaves = zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True)
  return all(np.array_equal(a, b) for a, b in leaves)


def test_source_only_does_not_look_at_the_target():
  state, train_step = players.fresh_state(()), compiled(SOURCE_ONLY)
  one, two = players.random_pair(0), players.random_pair(1)
  first, _ = train_step(state, one)
  second, _ = train_step(state, one._replace(target=two.target))
  assert equal(first, second)


def test_advent_looks_at_the_target_s_images_but_not_at_its_labels():
  state = players.fresh_state(ADVENT.opponents)
  train_step = compiled(ADVENT)
  pair, other = players.random_pair(0), players.random_pair(1)
  first, _ = train_step(state, pair)
  labels = pair.target._replace(labels=other.target.labels)
  assert equal(first, train_step(state, pair._replace(target=labels))[0])
  images = pair.target._replace(images=other.target.images)
  assert not equal(first, train_step(state, pair._replace(target=images))[0])


@pytest.mark.parametrize('strategy', [SOURCE_ONLY, ADVENT])
def test_point_labels_matter_in_stage_3_whatever_the_strategy(strategy):
  state = players.fresh_state(strategy.opponents)
  train_step = compiled(strategy, target_weight=1.0)
  pair, bare = (players.random_pair(0, labels) for labels in (True, False))
  with_labels, metrics = train_step(state, pair)
  without, bare_metrics = train_step(state, bare)
  assert not equal(with_labels.segmenter, without.segmenter)
  assert metrics['target_main'] > 0
  # No labelled pixel: a loss of zero, and nothing turns to NaN.
  assert bare_metrics['target_main'] == 0
  assert all(np.isfinite(x).all() for x in jax.tree.leaves(without))


@pytest.mark.parametrize('target_statistics', [False, True])
def test_whose_images_update_the_running_statistics(target_statistics):
  state = players.fresh_state(ADVENT.opponents)
  train_step = compiled(ADVENT, target_statistics=target_statistics)
  pair, other = players.random_pair(0), players.random_pair(1)
  first, _ = train_step(state, pair)
  second, _ = train_step(state, pair._replace(source=other.source))
  same = equal(*(x.segmenter['batch_stats'] for x in (first, second)))
  assert same == target_statistics


def test_the_loss_is_the_weighted_sum_of_its_terms():
  state = players.fresh_state(ADVENT.opponents)
  _, m = compiled(ADVENT, 0.5)(state, players.random_pair(0))
  expected = (
    m['source_main'] + 0.1 * m['source_aux']
    + 1e-3 * m['fool_main'] + 2e-4 * m['fool_aux']
    + 0.5 * (m['target_main'] + 0.1 * m['target_aux'])
  )  # fmt: skip
  np.testing.assert_allclose(m['loss'], expected, rtol=1e-6)


def test_everybody_moves_but_batch_norm_s_affine_parameters():
  state = players.fresh_state(ADVENT.opponents)
  after, _ = compiled(ADVENT)(state, players.random_pair(0))
  params = [
    (x.segmenter['params'], {k: v.params for k, v in x.opponents.items()})
    for x in (state, after)
  ]
  old, new = (jax.tree_util.tree_leaves_with_path(x) for x in params)
  for (path, one), (_, two) in zip(old, new, strict=True):
    name = jax.tree_util.keystr(path)
    frozen = 'bn' in name and name.endswith(("['scale']", "['bias']"))
    assert np.array_equal(one, two) == frozen, name
  assert not equal(
    state.segmenter['batch_stats'], after.segmenter['batch_stats']
  )
  assert int(after.step) == 1


def test_many_steps_compile_once():
  train_step = jax.jit(
    functools.partial(
      step.train_step,
      learner=players.small_learner(),
      strategy=ADVENT,
      supervision=step.Supervision(aux=0.1),
    )
  )
  state = jax.jit(lambda: players.fresh_state(ADVENT.opponents))()
  for i in range(3):
    state, _ = train_step(state, players.random_pair(i))
  assert train_step._cache_size() == 1
