"""Tiny networks and random images for tests."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import numpy as np

from pointsup_jax.models import deeplab
from pointsup_jax.training import checkpoint, learner, optimizers, sharding
from pointsup_jax.types import Batch, Outputs, Pair
from pointsup_jax.uda import advent, source_only, strategy

CLASSES = 5
NETWORK = deeplab.DeepLabV2(CLASSES, blocks=(1, 1, 1, 1), width=4)
ADVENT = advent.advent(strategy.Settings(Outputs(aux=2e-4, main=1e-3)))
SOURCE_ONLY = source_only.source_only(strategy.Settings(Outputs(0.0, 0.0)))


@functools.cache
def small_learner(target_statistics: bool = False) -> learner.Learner:
  return learner.Learner(
    segmenter=NETWORK,
    sizes=strategy.Sizes(CLASSES, 4, conv4=64, conv5=128, width=4),
    target_statistics=target_statistics,
    segmenter_tx=optimizers.segmenter(
      optimizers.poly(0.01, power=0.9, decay_steps=100),
      head_lr_scale=2.0,
      momentum=0.9,
      weight_decay=1e-4,
      repeat=False,
    ),
    optimizers={
      'opponent': optimizers.opponent(
        optimizers.poly(1e-3, power=0.9, decay_steps=100)
      )
    },
  )


def learner_of(method: strategy.Strategy) -> learner.Learner:
  """With the network that a method asks for."""
  players = small_learner()
  asked = {k: v for k, v in method.model.items() if hasattr(NETWORK, k)}
  return dataclasses.replace(players, segmenter=NETWORK.clone(**asked))


@functools.cache
def init(method: strategy.Strategy) -> Callable[[jax.Array], learner.State]:
  """Makes a state from a key, in one program rather than one an operation."""
  small = learner_of(method)
  return jax.jit(
    lambda key: small.init(key, small.init_segmenter(key), method.players)
  )


def fresh_state(method: strategy.Strategy, seed: int = 0) -> learner.State:
  return init(method)(jax.random.key(seed))


def abstract(state):
  """The shapes and placements to restore a checkpoint with."""
  return checkpoint.abstract(state, sharding.replicated(sharding.mesh()))


def assert_equal(one, two):
  jax.tree.map(np.testing.assert_array_equal, one, two)


def random_pair(seed: int, target_labels: bool = True) -> Pair:
  rng = np.random.default_rng(seed)

  def batch() -> Batch:
    return Batch(
      rng.integers(0, 256, (2, 32, 64, 3), dtype=np.uint8),
      rng.integers(0, CLASSES, (2, 32, 64), dtype=np.uint8),
    )

  source, target = batch(), batch()
  if not target_labels:
    target = target._replace(labels=np.full_like(target.labels, 255))
  return Pair(source, target)
