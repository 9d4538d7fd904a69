"""Agreement between annotators who labelled the same points."""

import collections
import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pointsup_jax.annotation import records


class Agreed(NamedTuple):
  """Two annotators' agreement on the points that both labelled."""

  annotators: tuple[str, str]
  points: int
  same: int  # points with the same label
  kappa: float | None  # None: undefined, see `kappa`


class Agreement(NamedTuple):
  """Agreement of all annotators."""

  pairs: list[Agreed]
  disputed: list[str]  # ids of points with different labels, not adjudicated

  def of(self, annotator: str) -> tuple[int, int]:
    """Returns an annotator's labels beside those of others, and the same ones.

    A point counts once for each of the others.
    """
    own = [pair for pair in self.pairs if annotator in pair.annotators]
    return sum(x.points for x in own), sum(x.same for x in own)


def measure(given: Iterable[records.PersonAnswer]) -> Agreement:
  """Compares the labels of every two annotators, given in any order.

  Ignores unsure and skipped points. 255 (none of the classes) is a label.
  """
  labels: dict[str, dict[str, int]] = collections.defaultdict(dict)
  settled = set()
  for said in given:
    if said.mode == 'adjudicate':
      settled.add(said.request)
    elif said.answer == 'label' and said.label is not None:
      labels[said.request][said.annotator] = said.label
  both = collections.defaultdict(list)
  for by in labels.values():
    for one, two in itertools.combinations(sorted(by), 2):
      both[one, two].append((by[one], by[two]))
  pairs = [
    Agreed(who, len(seen), sum(a == b for a, b in seen), kappa(seen))
    for who, seen in sorted(both.items())
  ]
  disputed = [
    request
    for request, by in labels.items()
    if len(set(by.values())) > 1 and request not in settled
  ]
  return Agreement(pairs, disputed)


def kappa(labels: Sequence[tuple[int, int]]) -> float | None:
  """Returns Cohen's kappa, (p - e) / (1 - e), e being chance agreement.

  Takes two annotators' labels of each point. 1 is full agreement, 0 chance
  level, None undefined: no points, or only one label used.
  """
  if not labels:
    return None
  count = len(labels)
  agreed = sum(a == b for a, b in labels) / count
  ones, twos = (
    collections.Counter(column) for column in zip(*labels, strict=True)
  )
  chance = sum(ones[label] * twos[label] for label in ones) / count**2
  return None if chance == 1 else (agreed - chance) / (1 - chance)
