"""Agreement between annotators who labelled the same points."""

import collections
import itertools
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pointsup_jax.annotation import database


class Agreed(NamedTuple):
  """Two annotators' agreement on the points that both labelled."""

  annotators: tuple[str, str]
  points: int
  same: int  # points with the same label
  kappa: float | None  # None: undefined, see `kappa`


class Agreement(NamedTuple):
  """Agreement of all annotators."""

  pairs: list[Agreed]
  disputed: int  # points with different labels, not adjudicated

  def of(self, annotator: str) -> tuple[int, int]:
    """Returns an annotator's labels beside those of others, and the same ones.

    A point counts once for each of the others.
    """
    own = [pair for pair in self.pairs if annotator in pair.annotators]
    return sum(x.points for x in own), sum(x.same for x in own)


def measure(open_database: database.Database) -> Agreement:
  """Compares the labels of every two annotators of a store.

  Ignores unsure and skipped points. 255 (none of the classes) is a label.
  """
  ((disputed,),) = open_database.query('SELECT disputed FROM totals')
  return Agreement(list(_pairs(open_database)), disputed)


def _pairs(open_database: database.Database) -> Iterator[Agreed]:
  rows = open_database.query(
    'SELECT * FROM agreed WHERE points > 0 ORDER BY one, two'
  )
  for who, of_both in itertools.groupby(rows, lambda row: row[:2]):
    labels = {(a, b): points for _, _, a, b, points in of_both}
    same = sum(points for (a, b), points in labels.items() if a == b)
    yield Agreed(who, sum(labels.values()), same, kappa(labels))


def disputed(
  open_database: database.Database, count: int | None = None
) -> list[str]:
  """Returns the ids of disputed points, in the order they were asked.

  At most `count`; None: all.
  """
  rows = open_database.query(
    'SELECT id FROM held CROSS JOIN requests ON requests.rowid = point'
    ' WHERE disputed ORDER BY point LIMIT ?',
    -1 if count is None else count,
  )
  return [request for (request,) in rows]


def kappa(labels: Mapping[tuple[int, int], int]) -> float | None:
  """Returns Cohen's kappa, (p - e) / (1 - e), e being chance agreement.

  Takes how many points have which two labels, of two annotators. 1 is full
  agreement, 0 chance level, None undefined: no points, or only one label used.
  """
  count = sum(labels.values())
  if not count:
    return None
  ones: collections.Counter[int] = collections.Counter()
  twos: collections.Counter[int] = collections.Counter()
  for (one, two), points in labels.items():
    ones[one] += points
    twos[two] += points
  agreed = sum(n for (one, two), n in labels.items() if one == two) / count
  chance = sum(ones[label] * twos[label] for label in ones) / count**2
  return None if chance == 1 else (agreed - chance) / (1 - chance)
