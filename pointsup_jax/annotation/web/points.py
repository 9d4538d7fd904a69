"""What the page is told about a point."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from pointsup_jax.annotation import records
from pointsup_jax.annotation.web import pictures


@dataclasses.dataclass(frozen=True)
class Shown:
  """Describes points as the page draws them.

  Attributes:
    pictures: their images.
    sizes: (height, width) that an image's requests refer to.
    grid: rows and columns of patches, or (1, 1) where none are asked.
  """

  pictures: pictures.Pictures
  sizes: Mapping[str, tuple[int, int]]
  grid: tuple[int, int]

  def point(self, request: records.Request) -> dict[str, Any]:
    """Returns a point's image, place, patch and guess."""
    height, width = self.sizes[request.image]
    rows, cols = height // self.grid[0], width // self.grid[1]
    row, col = request.row // rows, request.col // cols
    box = [row * rows, col * cols, (row + 1) * rows, (col + 1) * cols]
    return {
      'id': request.id,
      'image': self.pictures.number[request.image],
      'name': request.image,
      'size': [height, width],
      'row': request.row,
      'col': request.col,
      'box': None if self.grid == (1, 1) else box,
      'guess': request.pseudo_label,
    }

  def answered(
    self, request: records.Request, said: records.PersonAnswer
  ) -> dict[str, Any]:
    """Returns a point with what was answered."""
    return self.point(request) | {'answer': said.answer, 'label': said.label}
