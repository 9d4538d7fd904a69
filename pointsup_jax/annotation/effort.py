"""Annotation effort: answers and time per annotator."""

import itertools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from pointsup_jax.annotation import database


class Effort(NamedTuple):
  """The effort of one annotator, or of 'all'."""

  annotator: str
  answers: int  # labels and 'unsure'
  unsure: int
  timed: int  # answers with a known time, as used below
  median: float | None  # seconds per answer; None if no time is known
  p90: float | None  # 90th percentile, seconds
  hours: float | None

  @property
  def unsure_share(self) -> float:
    """Share of 'unsure' answers; 0 without answers."""
    return self.unsure / self.answers if self.answers else 0.0


def of_each(open_database: database.Database) -> list[Effort]:
  """The effort per annotator of a store, sorted by name.

  Skipped points do not count. Times exclude pauses where they were measured.
  """
  rows = open_database.query(
    'SELECT * FROM timed WHERE answers > 0 ORDER BY annotator'
  )
  return [
    _of(who, (row[1:] for row in own))
    for who, own in itertools.groupby(rows, lambda row: row[0])
  ]


def measure(open_database: database.Database) -> list[Effort]:
  """As `of_each`; with several annotators, 'all' comes last."""
  found = of_each(open_database)
  if len(found) > 1:
    rows = open_database.query(
      'SELECT unsure, milliseconds, sum(answers) FROM timed'
      ' WHERE answers > 0 GROUP BY unsure, milliseconds'
    )
    found.append(_of('all', rows))
  return found


def _of(annotator: str, rows: Iterable[tuple[int, int, int]]) -> Effort:
  """From unsure or not, milliseconds and number of answers."""
  unsure, times, counts = np.array(list(rows), np.int64).T
  known = times >= 0
  timed = int(counts[known].sum())
  return Effort(
    annotator=annotator,
    answers=int(counts.sum()),
    unsure=int(counts[unsure > 0].sum()),
    timed=timed,
    median=quantile(times[known], counts[known], 0.5) if timed else None,
    p90=quantile(times[known], counts[known], 0.9) if timed else None,
    hours=int((times * counts)[known].sum()) / 3.6e6 if timed else None,
  )


def quantile(milliseconds: np.ndarray, counts: np.ndarray, q: float) -> float:
  """Returns a quantile, in seconds, of times [N] that occur `counts` times [N].

  As NumPy has it, with a line between neighbours.
  """
  order = np.argsort(milliseconds)
  times, upto = milliseconds[order], np.cumsum(counts[order])
  place = q * (upto[-1] - 1)
  below, above = times[
    np.searchsorted(upto, [np.floor(place), np.ceil(place)], 'right')
  ]
  return float(below + (above - below) * (place % 1)) / 1000
