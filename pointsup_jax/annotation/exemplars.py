"""Chooses answers that show what a class looks like."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from pointsup_jax.annotation import records
from pointsup_jax.types import IGNORE

_LOOKED_AT = 20_000  # points, so that it takes some milliseconds


class Exemplar(NamedTuple):
  """A point whose class is known."""

  request: str  # its id
  agreed: bool  # at least two annotators said the same


def choose(
  said: Iterable[tuple[str, Mapping[str, records.PersonAnswer]]],
  most: int,
  is_open: Callable[[str], bool],
) -> dict[int, list[Exemplar]]:
  """Returns up to `most` points of each class that was answered.

  Agreed ones come first, else the order stays. Where people differ, or one was
  unsure, a point shows nothing. Only looks at the first 20,000 points.

  Args:
    said: points, each with its standing answers by annotator.
    most: points of a class.
    is_open: whether more answers to a point are wanted. It is not shown:
      whoever gives those must not know the others.
  """
  agreed: dict[int, list[Exemplar]] = {}
  single: dict[int, list[Exemplar]] = {}
  for request, by in itertools.islice(said, _LOOKED_AT):
    given = [x.label for x in by.values() if x.answer != 'skip']
    label = given[0] if len({*given}) == 1 else None
    if label is None or label == IGNORE or is_open(request):
      continue
    kind = agreed if len(given) > 1 else single
    found = kind.setdefault(label, [])
    if len(found) < most:
      found.append(Exemplar(request, len(given) > 1))
  return {
    label: (agreed.get(label, []) + single.get(label, []))[:most]
    for label in sorted({*agreed, *single})
  }
