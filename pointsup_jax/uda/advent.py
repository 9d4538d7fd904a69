"""AdvEnt (Vu et al., CVPR 2019): adversarial alignment of entropy maps."""

import dataclasses

import jax

from pointsup_jax.losses import adversarial, entropy
from pointsup_jax.types import Metrics, Outputs
from pointsup_jax.uda import strategy


@dataclasses.dataclass(frozen=True)
class AdvEnt:
  """Both heads' self-information maps are judged: source or target? (Eq. 3).

  Attributes:
    weights: of the adversarial loss of either head; 2e-4 and 1e-3 published.
  """

  weights: Outputs
  opponents: tuple[str, ...] = ('aux', 'main')
  uses_target: bool = True

  def segmenter_loss(
    self, target: Outputs, judge: strategy.Judge
  ) -> tuple[jax.Array, Metrics]:
    """Fools the opponents: target maps should be taken for source."""
    fool = Outputs(
      *(
        adversarial.bce(
          judge(head, entropy.self_information(getattr(target, head))),
          adversarial.SOURCE,
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
    on_source = adversarial.bce(
      judge(head, entropy.self_information(source)), adversarial.SOURCE
    )
    on_target = adversarial.bce(
      judge(head, entropy.self_information(target)), adversarial.TARGET
    )
    return (on_source + on_target) / 2
