"""The images in the order in which they are asked, and how to find them."""

from collections.abc import Sequence
from typing import NamedTuple

from pointsup_jax.annotation import line, records


class Found(NamedTuple):
  """An image that was looked for."""

  image: str
  number: int  # from 1, in the order of asking
  open: int  # points that the annotator may be asked


class Images:
  """Where the points of each image begin and end in the order of all points."""

  def __init__(self, order: Sequence[records.Request]) -> None:
    """Takes all points; those of an image follow each other."""
    self._ends: dict[str, tuple[int, int]] = {}
    for place, request in enumerate(order):
      begin, _ = self._ends.get(request.image, (place, place))
      self._ends[request.image] = (begin, place + 1)

  def ends(self, image: str) -> tuple[int, int]:
    """Returns [begin, end) of an image; ValueError if no point is asked."""
    if image not in self._ends:
      raise ValueError(f'there is no image {image!r}')
    return self._ends[image]

  def search(self, wanted: str, waiting: line.Line) -> list[tuple[str, int]]:
    """Returns the images that fit, with their numbers, the best first.

    These are the image of the number `wanted`, then those with `wanted` in
    their names, upper case or lower, of which those with points in the line
    come first.
    """
    wanted = wanted.strip().casefold()
    fitting = [
      (image, number)
      for number, image in enumerate(self._ends, start=1)
      if wanted == str(number) or wanted in image.casefold()
    ]
    return sorted(
      fitting,
      key=lambda one: (
        wanted != str(one[1]),
        not waiting.count(*self._ends[one[0]]),
      ),
    )
