"""No adaptation: cross-entropy on the source alone."""

import jax
import jax.numpy as jnp

from pointsup_jax.types import Metrics, Outputs
from pointsup_jax.uda import strategy


def source_only(weights: Outputs) -> strategy.Strategy:
  """Baseline of every comparison; does not look at target images."""
  del weights
  only = strategy.Move(
    strategy.SEGMENTER, nothing, looks_at=('source',), supervised=True
  )
  return strategy.Strategy(moves=(only,))


def nothing(scene: strategy.Scene) -> tuple[jax.Array, Metrics]:
  """A loss of 0; the cross-entropies are added to it."""
  del scene
  return jnp.zeros(()), {}
