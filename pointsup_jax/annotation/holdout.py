"""Which points are held back from training, to score the models on."""

import math
import zlib
from collections.abc import Iterable

import numpy as np

from pointsup_jax.annotation import records


def held_back(
  requests: Iterable[records.Request], share: float, seed: int
) -> list[records.Request]:
  """Selects a share (0 to 1) of the patches of every image, with all points.

  The points of a patch look alike: a model that learned some of them would be
  too good on the others. Of an image's patches, in the order in which they were
  asked, every (1 / share)-th is taken, from a random start. More rounds do not
  change the earlier choice, and answers have no part in it.
  """
  if not share:
    return []
  found = []
  starts: dict[str, float] = {}
  places: dict[str, dict[int, int]] = {}
  for request in requests:
    image = request.image
    if image not in starts:
      key = (seed, zlib.crc32(image.encode()))
      starts[image] = np.random.default_rng(key).random()
    of_image = places.setdefault(image, {})
    place = of_image.setdefault(request.patch, len(of_image))
    start = starts[image]
    if math.floor(place * share + start) < math.floor(
      (place + 1) * share + start
    ):
      found.append(request)
  return found
