"""Cross-entropy on the source alone."""

import jax
import jax.numpy as jnp

from pointsup_jax.types import Metrics
from pointsup_jax.uda import strategy
from pointsup_jax.uda.scene import Scene


def source_only(settings: strategy.Settings) -> strategy.Strategy:
  """No adaptation, the baseline; does not look at target images."""
  del settings
  only = strategy.Move(
    strategy.SEGMENTER, nothing, looks_at=('source',), supervised=True
  )
  return strategy.Strategy(moves=(only,))


def adabn(settings: strategy.Settings) -> strategy.Strategy:
  """Takes nothing but the statistics of batch norm from the target.

  AdaBN (Li et al., 2016): what the other methods gain by that alone.
  """
  del settings
  only = strategy.Move(strategy.SEGMENTER, nothing, supervised=True)
  return strategy.Strategy(moves=(only,), model={'bn_statistics': 'target'})


def nothing(scene: Scene) -> tuple[jax.Array, Metrics]:
  """A loss of 0; the cross-entropies are added to it."""
  del scene
  return jnp.zeros(()), {}
