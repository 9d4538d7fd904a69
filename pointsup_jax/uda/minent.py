"""MinEnt (Vu et al., CVPR 2019): confident predictions, without opponents."""

import dataclasses

import jax

from pointsup_jax.losses import entropy
from pointsup_jax.types import Metrics, Outputs
from pointsup_jax.uda import strategy


@dataclasses.dataclass(frozen=True)
class MinEnt:
  """The segmenter minimises the mean entropy of its target outputs.

  Attributes:
    weights: of either head's mean entropy; 2e-4 and 1e-3 published.
  """

  weights: Outputs
  opponents: tuple[str, ...] = ()
  uses_target: bool = True

  def segmenter_loss(
    self, target: Outputs, judge: strategy.Judge
  ) -> tuple[jax.Array, Metrics]:
    """The weighted sum of both heads' mean entropies."""
    del judge
    aux, main = (entropy.mean_entropy(logits) for logits in target)
    loss = self.weights.main * main + self.weights.aux * aux
    return loss, {'entropy_aux': aux, 'entropy_main': main}

  def opponent_loss(
    self, head: str, source: jax.Array, target: jax.Array, judge: strategy.Judge
  ) -> jax.Array:
    """There are no opponents."""
    raise NotImplementedError
