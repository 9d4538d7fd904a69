"""No adaptation: the source's cross entropy alone."""

import dataclasses

import jax
import jax.numpy as jnp

from pointsup_jax.types import Metrics, Outputs
from pointsup_jax.uda import strategy


@dataclasses.dataclass(frozen=True)
class SourceOnly:
  """The lower bound of every comparison; target images are not looked at."""

  opponents: tuple[str, ...] = ()
  uses_target: bool = False

  def segmenter_loss(
    self, target: Outputs, judge: strategy.Judge
  ) -> tuple[jax.Array, Metrics]:
    """Nothing."""
    return jnp.zeros(()), {}

  def opponent_loss(
    self, head: str, source: jax.Array, target: jax.Array, judge: strategy.Judge
  ) -> jax.Array:
    """There are no opponents."""
    raise NotImplementedError
