"""Estimates the hours that annotation takes, in total and for smaller budgets.

Points are asked in order of value (`store.Store.ordered`), so a budget is the
head of that order: stopping early omits the images the model is surest of.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from pointsup_jax.annotation import oracle, records

PERCENTS = (10, 25, 50, 75, 100)
# Used until enough answers are timed; studies report 1.5 to 3 s per click.
ASSUMED_SECONDS = 2.0
ENOUGH = 20


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


def pace(
  given: Iterable[records.PersonAnswer], annotator: str | None = None
) -> Pace | None:
  """Returns the median answer time; None for fewer than `ENOUGH` answers.

  Uses the active time where known, else the whole time. Ignores skips and
  simulated answers. `annotator` gave all answers; None: several did.
  """
  times = [
    time
    for said in given
    if said.answer != 'skip'
    and said.annotator != oracle.NAME
    and (time := said.active_seconds or said.seconds)
  ]
  if len(times) < ENOUGH:
    return None
  return Pace(float(np.median(times)), len(times), annotator)


def budgets(
  order: Sequence[records.Request], answers: Sequence[int]
) -> tuple[Budget, ...]:
  """Returns a budget for each of `PERCENTS`; none without points.

  `order` is all points, most valuable first; `answers` how many each needs.
  """
  if not order:
    return ()
  total = math.fsum(request.score for request in order)
  images: set[str] = set()
  patches: set[tuple[str, int]] = set()
  score, wanted, begin, found = 0.0, 0, 0, []
  for percent in PERCENTS:
    end = -(-percent * len(order) // 100)
    for request in order[begin:end]:
      images.add(request.image)
      patches.add((request.image, request.patch))
      score += request.score
    wanted += sum(answers[begin:end])
    # If all scores are 0, points are worth the same.
    worth = min(score / total, 1.0) if total > 0 else end / len(order)
    found.append(Budget(percent, end, wanted, len(images), len(patches), worth))
    begin = end
  return tuple(found)


def plan(
  budgets: Sequence[Budget], left: Sequence[int], given: int, pace: Pace
) -> Plan:
  """Combines budgets with the answers missing from each, `left`.

  `given` is how many of the needed answers there are.
  """
  rows = tuple(
    BudgetRow(budget, missing, hours(missing, pace))
    for budget, missing in zip(budgets, left, strict=True)
  )
  points, needed = (
    (budgets[-1].points, budgets[-1].answers) if budgets else (0, 0)
  )
  return Plan(points, needed, given, pace, hours(needed - given, pace), rows)


def hours(answers: float, pace: Pace) -> float:
  """Returns the hours that a number of answers takes."""
  return answers * pace.seconds / 3600
