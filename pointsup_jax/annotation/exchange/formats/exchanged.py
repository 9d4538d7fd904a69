"""Data that all formats exchange: points to be answered, and answers."""

import dataclasses
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pointsup_jax.annotation import records
from pointsup_jax.annotation.exchange.formats import pixels
from pointsup_jax.annotation.exchange.formats import words as words_lib

# Matches `records.request_id`, but not the ids that other tools add.
_POINT_ID = re.compile(r'(.+)-r([0-9]{1,9})-c([0-9]{1,9})', re.DOTALL)


class Point(NamedTuple):
  """A request, with the answer that holds, if any, and all comments on it."""

  request: records.Request
  answer: records.Entry | None
  comments: tuple[tuple[str, str], ...] = ()  # annotator and text
  time: str | None = None  # of the answer, ISO 8601, UTC


class ImageFile(NamedTuple):
  """An image file that people look at."""

  path: str  # below the folder of images
  size: tuple[int, int]  # (height, width) in pixels


@dataclasses.dataclass(frozen=True)
class Export:
  """The content of an export."""

  points: Sequence[Point]
  size: tuple[int, int]  # (height, width) that the requests refer to
  words: words_lib.Words
  digest: str  # of the requests, see `digest`
  files: Mapping[str, ImageFile]  # of every image with points
  folder: str  # name of the folder of images or crops

  def by_image(self) -> dict[str, list[Point]]:
    """Groups the points by image, in the order of `points`."""
    images: dict[str, list[Point]] = {}
    for point in self.points:
      images.setdefault(point.request.image, []).append(point)
    return images

  def x_y(
    self, point: Point, shown: tuple[int, int] | None = None
  ) -> tuple[float, float]:
    """Returns x, y of the centre of a point's pixel, as people see it.

    `shown` is the (height, width) they see; None: that of the image's file.
    """
    request = point.request
    shown = shown or self.files[request.image].size
    y, x = (
      pixels.centre(*axis)
      for axis in zip((request.row, request.col), self.size, shown, strict=True)
    )
    return x, y

  def word_of(self, point: Point) -> str:
    """Returns the word for a point's answer, or `words.unlabelled`."""
    if point.answer is None:
      return self.words.unlabelled
    return self.words.of(point.answer.label)


class FileAnswer(NamedTuple):
  """An unchecked answer from a file."""

  where: str  # location in the file, for messages
  point: str  # id; '' where there is none
  word: str  # a class, or a word of `words.Words`; '' for none
  annotator: str
  seconds: float | None = None
  # Row and column as shares of the image's height and width.
  position: tuple[float, float] | None = None
  digest: str | None = None  # of the requests that were exported
  fault: str = ''  # why it is unusable, if it is
  comment: str = ''
  comment_by: str = ''  # '': the annotator


def is_point_id(name: str) -> bool:
  """Whether a name has the form of a request's id."""
  return _POINT_ID.fullmatch(name) is not None


def pixel(point: str) -> tuple[str, int, int] | None:
  """Returns image, row and column of a point's id; None if it is none."""
  found = _POINT_ID.fullmatch(point)
  if not found:
    return None
  place = found[1], int(found[2]), int(found[3])
  # A pixel has one id, without leading zeros.
  return place if records.request_id(*place) == point else None


def digest(
  requests: Sequence[records.Request],
  size: tuple[int, int],
  last_round: int | None = None,
) -> str:
  """Identifies a store's requests: the last round, size and a hash.

  `size` is the (height, width) that they refer to. With `last_round`, later
  rounds are ignored, so that exports made before them still match; so are
  points that no round asked for.
  """
  if last_round is None:
    last_round = max((request.round for request in requests), default=0)
  ids = sorted(r.id for r in requests if 0 < r.round <= last_round)
  return digest_of(ids, size, last_round)


def digest_of(
  ids: Iterable[str], size: tuple[int, int], last_round: int
) -> str:
  """As `digest`, of the sorted ids of the requests up to a round."""
  hashed = hashlib.sha256()
  for i, id_ in enumerate(ids):
    hashed.update(f'\n{id_}'.encode() if i else id_.encode())
  return f'{last_round}-{size[0]}x{size[1]}-{hashed.hexdigest()[:16]}'


def of_size(digest: str, size: tuple[int, int]) -> bool:
  """Whether a digest is of requests at a size, of any store."""
  return digest.split('-')[1:2] == [f'{size[0]}x{size[1]}']
