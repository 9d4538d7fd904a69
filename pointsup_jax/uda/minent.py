"""MinEnt (Vu et al., CVPR 2019): entropy minimisation, no discriminators."""

import functools

import jax

from pointsup_jax.losses import entropy
from pointsup_jax.types import Metrics, Outputs
from pointsup_jax.uda import strategy
from pointsup_jax.uda.scene import Scene


def minent(settings: strategy.Settings) -> strategy.Strategy:
  """Minimises the mean entropy of the target's outputs."""
  loss = functools.partial(mean_entropy, weights=settings.weights)
  return strategy.Strategy(
    moves=(strategy.Move(strategy.SEGMENTER, loss, supervised=True),)
  )


def mean_entropy(
  scene: Scene, *, weights: Outputs
) -> tuple[jax.Array, Metrics]:
  """Weighted sum of both heads' mean entropies."""
  aux, main = (entropy.mean_entropy(x) for x in scene.target.logits)
  loss = weights.main * main + weights.aux * aux
  return loss, {'entropy_aux': aux, 'entropy_main': main}
