"""IntraDA (Pan et al., CVPR 2020): adaptation between, then within domains.

After AdvEnt, the most confident target images, with their predictions as
labels, become the source from which AdvEnt adapts to the other target images.
"""

import math
from collections.abc import Mapping

from pointsup_jax.uda import strategy

PHASES = (
  strategy.Part('inter', 'advent'),
  strategy.Part('', 'advent', within_target=True),
)


def hardness(
  mean_entropy: float, rare_classes_predicted: int, rare_classes: int
) -> float:
  """Ranks images; lower is easier, and rare classes make an image easier.

  Returns mean_entropy * ((R - predicted) / R + 0.5), R = rare_classes, or the
  main output's mean_entropy alone if R is 0.
  """
  if not rare_classes:
    return mean_entropy
  share = (rare_classes - rare_classes_predicted) / rare_classes
  return mean_entropy * (share + 0.5)


def easy_count(images: int, easy_share: float) -> int:
  """The whole images in a share, rounded down; 29 of 100 for 0.29."""
  # A float below its decimal must not cost an image.
  return math.floor(round(images * easy_share, 6))


def easy_and_hard(
  hardness: Mapping[str, float], easy_share: float
) -> tuple[list[str], list[str]]:
  """Splits images into the easiest and the others, each easiest first.

  Ties go by name. `easy_share` (lambda, 0.67 published) is rounded down to
  whole images.
  """
  ranked = sorted(hardness, key=lambda name: (hardness[name], name))
  count = easy_count(len(ranked), easy_share)
  return ranked[:count], ranked[count:]
