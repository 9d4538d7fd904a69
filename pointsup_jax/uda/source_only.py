"""No adaptation: cross-entropy on the source alone."""

import dataclasses

import jax
import jax.numpy as jnp

from pointsup_jax.types import Metrics, Outputs
from pointsup_jax.uda import strategy


@dataclasses.dataclass(frozen=True)
class SourceOnly:
  """Baseline of every comparison; does not use target images."""

  opponents: tuple[str, ...] = ()
  uses_target: bool = False

  def segmenter_loss(
    self, target: Outputs, judge: strategy.Judge
  ) -> tuple[jax.Array, Metrics]:
    """Returns a loss of 0 and no metrics."""
    return jnp.zeros(()), {}

  def opponent_loss(
    self, head: str, source: jax.Array, target: jax.Array, judge: strategy.Judge
  ) -> jax.Array:
    """Not called: there are no discriminators."""
    raise NotImplementedError
