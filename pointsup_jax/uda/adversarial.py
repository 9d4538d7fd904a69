"""Adversarial training, shared by AdvEnt and AdaptSegNet."""

import dataclasses
from collections.abc import Callable

import jax

from pointsup_jax.losses import domain_loss
from pointsup_jax.types import Metrics, Outputs
from pointsup_jax.uda import strategy


@dataclasses.dataclass(frozen=True)
class Adversarial:
  """Trains a discriminator per head to tell the domains apart (Eq. 3).

  Attributes:
    maps: logits [B, H, W, C] -> the discriminator's input [B, H, W, C].
    weights: of the adversarial loss per head; published: aux 2e-4, main 1e-3.
  """

  maps: Callable[[jax.Array], jax.Array]
  weights: Outputs
  opponents: tuple[str, ...] = ('aux', 'main')
  uses_target: bool = True

  def segmenter_loss(
    self, target: Outputs, judge: strategy.Judge
  ) -> tuple[jax.Array, Metrics]:
    """Cross-entropy of target maps with the label SOURCE."""
    fool = Outputs(
      *(
        domain_loss.bce(
          judge(head, self.maps(getattr(target, head))), domain_loss.SOURCE
        )
        for head in Outputs._fields
      )
    )
    loss = self.weights.main * fool.main + self.weights.aux * fool.aux
    return loss, {'fool_aux': fool.aux, 'fool_main': fool.main}

  def opponent_loss(
    self, head: str, source: jax.Array, target: jax.Array, judge: strategy.Judge
  ) -> jax.Array:
    """Mean of the discriminator's losses on source and target maps."""
    on_source = domain_loss.bce(
      judge(head, self.maps(source)), domain_loss.SOURCE
    )
    on_target = domain_loss.bce(
      judge(head, self.maps(target)), domain_loss.TARGET
    )
    return (on_source + on_target) / 2
