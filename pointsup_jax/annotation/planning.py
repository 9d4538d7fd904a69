"""Estimates the hours that annotation takes, in total and for smaller budgets.

Points are asked in order of value (`store.Store.ordered`), so a budget is the
head of that order: stopping early omits the images the model is surest of.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pointsup_jax.annotation import database, effort, oracle

PERCENTS = (10, 25, 50, 75, 100)
# Used until enough answers are timed; studies report 1.5 to 3 s per click.
ASSUMED_SECONDS = 2.0
ENOUGH = 20
_SUMS = 'points, patches, worth, needed, needed - given'
# The same of the first points of the image that comes after others.
_FIRST = """
  SELECT count(*), count(DISTINCT patch), sum(score), sum(needed),
    sum(needed - min(given, needed))
  FROM (SELECT patch, score, needed, given
    FROM requests JOIN held ON point = requests.rowid
    WHERE image = (SELECT image FROM tallies WHERE points > 0
      ORDER BY score DESC, image LIMIT 1 OFFSET ?)
    ORDER BY point LIMIT ?)"""


class Pace(NamedTuple):
  """The median time of an answer."""

  seconds: float
  answers: int  # that were timed; 0: too few, `seconds` is assumed
  annotator: str | None  # None: all annotators


ASSUMED = Pace(ASSUMED_SECONDS, 0, None)


class Budget(NamedTuple):
  """The first points in order of value."""

  percent: int  # of all points
  points: int
  answers: int  # needed; a point for two annotators needs two
  images: int  # with such points
  patches: int
  worth: float  # share of the patch scores of all points, 0 to 1


class BudgetRow(NamedTuple):
  """A budget and the work left to reach it."""

  budget: Budget
  left: int  # answers
  hours: float


class Plan(NamedTuple):
  """The work in total and what is left of it."""

  points: int
  needed: int  # answers
  given: int
  pace: Pace
  hours: float  # for the missing answers
  rows: tuple[BudgetRow, ...]  # from small to large; empty without points

  @property
  def now(self) -> int | None:
    """Index of the row of the next answer; None if all are given."""
    return next(
      (i for i, row in enumerate(self.rows) if row.budget.answers > self.given),
      None,
    )


def plan(
  open_database: database.Database, annotator: str | None = None
) -> Plan:
  """Returns the work of a store, in total and for smaller budgets.

  The pace is that of `annotator` if known, else everybody's, else assumed.
  """
  pace = (
    (_pace(open_database, annotator) if annotator else None)
    or _pace(open_database)
    or ASSUMED
  )
  ((needed, given),) = open_database.query('SELECT needed, given FROM totals')
  rows = tuple(
    BudgetRow(budget, left, hours(left, pace))
    for budget, left in _budgets(open_database)
  )
  points = rows[-1].budget.points if rows else 0
  return Plan(points, needed, given, pace, hours(needed - given, pace), rows)


def _pace(
  open_database: database.Database, annotator: str | None = None
) -> Pace | None:
  """Returns the median answer time; None for fewer than `ENOUGH` answers.

  Uses the active time where known, else the whole time. Ignores skips and
  simulated answers. None for `annotator`: of all.
  """
  rows = open_database.query(
    'SELECT milliseconds, sum(answers) FROM timed'
    ' WHERE annotator != ? AND annotator = ifnull(?, annotator)'
    ' AND milliseconds > 0 AND answers > 0 GROUP BY milliseconds',
    *(oracle.NAME, annotator),
  )
  times, counts = np.array(rows, np.int64).reshape(-1, 2).T
  count = int(counts.sum())
  if count < ENOUGH:
    return None
  return Pace(effort.quantile(times, counts, 0.5), count, annotator)


def _budgets(
  open_database: database.Database,
) -> Iterator[tuple[Budget, int]]:
  """A budget for each of `PERCENTS`, and the answers missing; none if empty.

  Adds the sums of whole images, and those of the first points of one image.
  """
  rows = open_database.query(
    f'SELECT {_SUMS} FROM tallies WHERE points > 0 ORDER BY score DESC, image'
  )
  if not rows:
    return
  # Up to each image: points, patches, worth, answers and those missing.
  upto = np.cumsum(np.array([(0,) * 5, *rows], np.float64), axis=0)
  points, worth = int(upto[-1, 0]), upto[-1, 2]
  for percent in PERCENTS:
    end = -(-percent * points // 100)
    images = int(np.searchsorted(upto[:, 0], end, 'right')) - 1
    found, rest = upto[images], end - int(upto[images, 0])
    if rest:
      found = found + open_database.query(_FIRST, images, rest)[0]
    budget = Budget(
      percent,
      end,
      int(found[3]),
      images + bool(rest),
      int(found[1]),
      # If all scores are 0, points are worth the same.
      min(float(found[2] / worth), 1.0) if worth > 0 else end / points,
    )
    yield budget, int(found[4])


def hours(answers: float, pace: Pace) -> float:
  """Returns the hours that a number of answers takes."""
  return answers * pace.seconds / 3600
