"""Draws images with rare classes more often (DAFormer, CVPR 2022).

A class is drawn first, the rarer the more often, and then an image that has it.
"""

from collections.abc import Callable

import numpy as np

from pointsup_jax import errors

# The share of an image that makes it one of a class: DAFormer's 3,000 pixels of
# a GTA5 image.
LEAST = 3_000 / (1_914 * 1_052)


def probabilities(pixels: np.ndarray, temperature: float) -> np.ndarray:
  """Of drawing each class: softmax((1 - f) / temperature), [C] float64.

  `pixels` [N, C] are those of each class in each image; f is a class's share of
  all labelled ones. A class without pixels has the probability 0.
  """
  of_class = pixels.sum(axis=0, dtype=np.float64)
  scores = (1 - of_class / of_class.sum()) / temperature
  weights = np.exp(scores - scores[of_class > 0].max())
  weights[of_class == 0] = 0.0
  return weights / weights.sum()


def drawer(
  pixels: np.ndarray, size: tuple[int, int], temperature: float, seed: int
) -> Callable[[int], int]:
  """Returns a function from the place in an endless order to an image's index.

  It depends on the seed and the place alone. An image is one of a class if this
  has more than the share `LEAST` of its pixels, or else any at all; all images
  of a class are as likely.

  Args:
    pixels: [N, C], of each class in each of the N images.
    size: (height, width) of the images.
    temperature: the lower, the more often rare classes are drawn; above 0.
    seed: of the order.

  Raises:
    errors.UserError: no image has a labelled pixel.
  """
  if not pixels.any():
    raise errors.UserError(
      'none of the source images has a labelled pixel, so no class can be '
      'drawn; run `python -m launch.check`, or set '
      '--config.data.rare_class_temperature=0'
    )
  chances = probabilities(pixels, temperature)
  of_class = []
  for mine in pixels.T:
    much = mine > LEAST * size[0] * size[1]
    of_class.append(np.flatnonzero(much if much.any() else mine))

  def draw(place: int) -> int:
    rng = np.random.default_rng((seed, place))
    images = of_class[rng.choice(len(chances), p=chances)]
    return int(rng.choice(images))

  return draw
