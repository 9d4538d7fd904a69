"""Converts pixels of the training size to images of other sizes.

Points are written as pixel centres: edges might be rounded into a neighbour.
"""

import math

# Of CVAT's two decimals, in pixels of the training size.
_ROUNDING = 0.02


def centre(index: int, length: int, shown: float) -> float:
  """Returns where the centre of row or column `index` is shown.

  `length` is the number of rows or columns at the training size, `shown` the
  height or width as shown: pixels of the original, or 100 (percent).
  """
  return (index + 0.5) * shown / length


def index(share: float, length: int) -> int:
  """Returns the row or column at a share of the height or width."""
  return min(max(math.floor(share * length), 0), length - 1)


def moved(
  position: tuple[float, float], pixel: tuple[int, int], size: tuple[int, int]
) -> float:
  """Returns how far a point was moved, in pixels of the training size.

  `position` is (row, column) as shares of height and width, `pixel` the (row,
  column) asked for, `size` the training size. The distance is the larger one
  along an axis from the pixel's centre, and 0 within the pixel.
  """
  distance = max(
    abs(share * length - (index + 0.5))
    for share, index, length in zip(position, pixel, size, strict=True)
  )
  return distance if distance > 0.5 + _ROUNDING else 0.0
