"""What the adversarial methods share: a game over maps of the outputs."""

import dataclasses
from collections.abc import Callable

import jax

from pointsup_jax.losses import domain_loss
from pointsup_jax.types import Metrics, Outputs
from pointsup_jax.uda import strategy


@dataclasses.dataclass(frozen=True)
class Adversarial:
  """An opponent for either head says which domain a map comes from (Eq. 3).

  Attributes:
    maps: logits [B, H, W, C] -> the maps [B, H, W, C] that are judged.
    weights: of the adversarial loss of either head; 2e-4 and 1e-3 published.
  """

  maps: Callable[[jax.Array], jax.Array]
  weights: Outputs
  opponents: tuple[str, ...] = ('aux', 'main')
  uses_target: bool = True

  def segmenter_loss(
    self, target: Outputs, judge: strategy.Judge
  ) -> tuple[jax.Array, Metrics]:
    """Fools the opponents: target maps should be taken for source."""
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
    """Half a loss on the source's maps, half on the target's."""
    on_source = domain_loss.bce(
      judge(head, self.maps(source)), domain_loss.SOURCE
    )
    on_target = domain_loss.bce(
      judge(head, self.maps(target)), domain_loss.TARGET
    )
    return (on_source + on_target) / 2
