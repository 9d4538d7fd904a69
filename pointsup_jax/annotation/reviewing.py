"""Chooses answers that a second person looks at."""

import zlib
from collections.abc import Iterable, Iterator, Mapping

from pointsup_jax.annotation import records


def choose(
  order: Iterable[records.Request],
  said: Mapping[str, Mapping[str, records.PersonAnswer]],
  annotator: str,
  share: float,
  whose: str = '',
) -> Iterator[records.Request]:
  """Yields the points, in `order`, that an annotator is to look at.

  These are points that others have answered and the annotator has not; of them
  a share, 0 to 1, which is the same for everybody.

  Args:
    order: all points.
    said: standing answers by point and annotator.
    annotator: who looks.
    share: of the points.
    whose: only answers of this annotator; '': of anybody else.
  """
  for request in order:
    given = {
      x.annotator for x in said.get(request.id, {}).values() if _counts(x)
    }
    others = given & {whose} if whose else given
    if annotator not in given and others and _drawn(request.id, share):
      yield request


def _counts(said: records.PersonAnswer) -> bool:
  return said.answer != 'skip'


def _drawn(request: str, share: float) -> bool:
  # Not those of the share that two annotators are asked, which need it least.
  return zlib.crc32(f'review {request}'.encode()) < share * 2**32
