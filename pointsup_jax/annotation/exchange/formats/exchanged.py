"""What every format carries: points to be answered, and answers to them."""

import dataclasses
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pointsup_jax.annotation import records
from pointsup_jax.annotation.exchange.formats import pixels
from pointsup_jax.annotation.exchange.formats import words as words_lib

# The names that `records.request_id` gives; other tools name what they add.
_POINT_ID = re.compile(r'.+-r\d+-c\d+', re.DOTALL)


class Answer(NamedTuple):
  """What somebody said of a point."""

  label: int | None  # 255: none of the classes; None: the person is unsure
  annotator: str
  seconds: float | None = None


class Point(NamedTuple):
  """A request, with the answer that holds."""

  request: records.Request
  answer: Answer | None


class ImageFile(NamedTuple):
  """The image that people look at."""

  path: str  # below the folder of images
  size: tuple[int, int]  # (height, width) in pixels


@dataclasses.dataclass(frozen=True)
class Export:
  """All that a format writes."""

  points: Sequence[Point]
  size: tuple[int, int]  # (height, width) in which the requests count
  words: words_lib.Words
  digest: str  # of the requests, see `digest`
  files: Mapping[str, ImageFile]  # of every image with points
  folder: str  # the name of the folder that holds what people look at

  def by_image(self) -> dict[str, list[Point]]:
    """The points of each image, those most worth first as in `points`."""
    images: dict[str, list[Point]] = {}
    for point in self.points:
      images.setdefault(point.request.image, []).append(point)
    return images

  def x_y(
    self, point: Point, shown: tuple[int, int] | None = None
  ) -> tuple[float, float]:
    """Where people are shown the centre of a point's pixel: x, y.

    Args:
      point: which.
      shown: (height, width) of what they see; None: that of the image's file.
    """
    request = point.request
    shown = shown or self.files[request.image].size
    y, x = (
      pixels.centre(*axis)
      for axis in zip((request.row, request.col), self.size, shown, strict=True)
    )
    return x, y

  def word_of(self, point: Point) -> str:
    """What stands for the state of a point."""
    if point.answer is None:
      return self.words.unlabelled
    return self.words.of(point.answer.label)


class FileAnswer(NamedTuple):
  """One answer as it stands in a file, not yet checked against anything."""

  where: str  # in the file
  point: str  # id; '' where there is none
  word: str  # a class, or a word of `words.Words`; '' for none
  annotator: str
  seconds: float | None = None
  # Row and column as shares of the image's height and width.
  position: tuple[float, float] | None = None
  digest: str | None = None  # of the requests that were exported
  fault: str = ''  # what makes it unusable, if anything


def is_point_id(name: str) -> bool:
  """Whether a name can be that of a request, of whatever store."""
  return _POINT_ID.fullmatch(name) is not None


def digest(
  requests: Sequence[records.Request],
  size: tuple[int, int],
  last_round: int | None = None,
) -> str:
  """Tells the requests of one store from those of another.

  Args:
    requests: all of a store.
    size: (height, width) in which they count.
    last_round: later requests do not count, so that what was exported before
      they were added is known again; None: all count.

  Returns:
    The last round that counts, and a hash.
  """
  if last_round is None:
    last_round = max((request.round for request in requests), default=0)
  ids = sorted(r.id for r in requests if r.round <= last_round)
  content = '\n'.join([f'{size[0]}x{size[1]}', *ids])
  return f'{last_round}-{hashlib.sha256(content.encode()).hexdigest()[:16]}'
