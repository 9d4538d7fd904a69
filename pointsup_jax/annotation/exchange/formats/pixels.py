"""Pixels of the training size in an image of another size.

A point is written as the centre of its pixel. Edges would come back as their
neighbours: rounding decides on which side of an edge a number falls.
"""

import math

# CVAT's two decimals, seen at the training size.
_ROUNDING = 0.02


def centre(index: int, length: int, shown: float) -> float:
  """Where the centre of a pixel is shown.

  Args:
    index: its row or column.
    length: rows or columns at the training size.
    shown: height or width of what is shown: pixels of the original, or 100.
  """
  return (index + 0.5) * shown / length


def index(share: float, length: int) -> int:
  """The row or column that lies at a share of the height or width."""
  return min(max(math.floor(share * length), 0), length - 1)


def moved(
  position: tuple[float, float], pixel: tuple[int, int], size: tuple[int, int]
) -> float:
  """How far a point was moved, in pixels of the training size.

  Args:
    position: row and column as shares of height and width.
    pixel: row and column that were asked.
    size: height and width at which they count.

  Returns:
    The distance along the axis on which it is larger; 0 within the pixel, which
    is half a pixel from its centre to any side.
  """
  distance = max(
    abs(share * length - (index + 0.5))
    for share, index, length in zip(position, pixel, size, strict=True)
  )
  return distance if distance > 0.5 + _ROUNDING else 0.0
