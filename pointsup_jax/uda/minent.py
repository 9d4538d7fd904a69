"""MinEnt (Vu et al., CVPR 2019): entropy minimisation, no discriminators."""

import dataclasses

import jax

from pointsup_jax.losses import entropy
from pointsup_jax.types import Metrics, Outputs
from pointsup_jax.uda import strategy


@dataclasses.dataclass(frozen=True)
class MinEnt:
  """Minimises the mean entropy of the target outputs.

  `weights` are those of the heads; published: aux 2e-4, main 1e-3.
  """

  weights: Outputs
  opponents: tuple[str, ...] = ()
  uses_target: bool = True

  def segmenter_loss(
    self, target: Outputs, judge: strategy.Judge
  ) -> tuple[jax.Array, Metrics]:
    """Weighted sum of both heads' mean entropies."""
    del judge
    aux, main = (entropy.mean_entropy(logits) for logits in target)
    loss = self.weights.main * main + self.weights.aux * aux
    return loss, {'entropy_aux': aux, 'entropy_main': main}

  def opponent_loss(
    self, head: str, source: jax.Array, target: jax.Array, judge: strategy.Judge
  ) -> jax.Array:
    """Not called: there are no discriminators."""
    raise NotImplementedError
