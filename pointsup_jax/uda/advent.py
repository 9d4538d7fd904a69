"""AdvEnt (Vu et al., CVPR 2019): adversarial alignment of entropy maps."""

from pointsup_jax.losses import entropy
from pointsup_jax.uda import adversarial, strategy


def advent(settings: strategy.Settings) -> strategy.Strategy:
  """Discriminators see self-information maps (Eq. 2)."""
  return adversarial.adversarial(entropy.self_information, settings.weights)
