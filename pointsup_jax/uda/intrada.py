"""IntraDA (Pan et al., CVPR 2020): first between domains, then within one.

After AdvEnt, the target images on which the model is surest become a labelled
source (with its own predictions for labels) from which AdvEnt adapts to the
rest of the target.
"""

from collections.abc import Mapping

from pointsup_jax.uda import strategy

PHASES = (
  strategy.Phase('inter', 'advent'),
  strategy.Phase('', 'advent', within_target=True),
)


def hardness(
  mean_entropy: float, rare_classes_predicted: int, rare_classes: int
) -> float:
  """What images are ranked by; lower is easier.

  Args:
    mean_entropy: of the main output.
    rare_classes_predicted: how many of the rare classes the prediction has.
    rare_classes: how many there are; 0: the entropy alone counts.

  Returns:
    The entropy times (R - predicted) / R + 0.5, R = rare_classes: an image
    with rare classes is worth having among the easy ones.
  """
  if not rare_classes:
    return mean_entropy
  share = (rare_classes - rare_classes_predicted) / rare_classes
  return mean_entropy * (share + 0.5)


def easy_and_hard(
  hardness: Mapping[str, float], easy_share: float
) -> tuple[list[str], list[str]]:
  """Splits images into the easiest and the others, each easiest first.

  Args:
    hardness: of each image; ties go by name.
    easy_share: lambda, 0.67 published; rounded down to whole images.
  """
  ranked = sorted(hardness, key=lambda name: (hardness[name], name))
  count = int(len(ranked) * easy_share)
  return ranked[:count], ranked[count:]
