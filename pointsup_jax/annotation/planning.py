"""What the points cost in hours, and which of them a smaller budget keeps.

Points are asked in order of worth (`store.Store.ordered`), so that a budget is
how far down that order people get: whenever they stop, what they leave out are
the images of which the model is surest.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from pointsup_jax.annotation import oracle, records

PERCENTS = (10, 25, 50, 75, 100)
# Until enough answers were timed. Studies of single clicks report 1.5 to 3 s.
ASSUMED_SECONDS = 2.0
ENOUGH = 20


class Pace(NamedTuple):
  """How long an answer takes."""

  seconds: float
  answers: int  # whose median it is; 0: too few were timed, it is assumed
  annotator: str | None  # who gave them; None: all annotators


ASSUMED = Pace(ASSUMED_SECONDS, 0, None)


class Budget(NamedTuple):
  """The points at the head of the order."""

  percent: int  # of all points
  points: int
  answers: int  # that they want; a point asked of two annotators wants two
  images: int  # with such points
  patches: int
  worth: float  # their share, 0 to 1, of the patch scores of all points


class Row(NamedTuple):
  """A budget, and what is missing until it is reached."""

  budget: Budget
  left: int  # answers
  hours: float


class Plan(NamedTuple):
  """How much work there is."""

  points: int
  needed: int  # answers
  given: int
  pace: Pace
  hours: float  # for those that are left
  rows: tuple[Row, ...]  # from small to large; none without points

  @property
  def now(self) -> int | None:
    """The row in which the next answer falls; None where all are given."""
    return next(
      (i for i, row in enumerate(self.rows) if row.budget.answers > self.given),
      None,
    )


def pace(
  given: Iterable[records.PersonAnswer], annotator: str | None = None
) -> Pace | None:
  """The median time of the answers that were timed.

  The time in which somebody was at work, where it is known, otherwise the whole
  time. Simulated times are nobody's pace, and skips are no answers.

  Args:
    given: what is said.
    annotator: who says all of it; None: several do.

  Returns:
    None for fewer than `ENOUGH` such answers.
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
  """What the first 10, 25, ... percent of the points hold.

  Args:
    order: all points, those worth most first.
    answers: how many each of them wants.

  Returns:
    One for each of `PERCENTS`; none without points.
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
    # Scores may all be 0: then no point is worth more than another.
    worth = min(score / total, 1.0) if total > 0 else end / len(order)
    found.append(Budget(percent, end, wanted, len(images), len(patches), worth))
    begin = end
  return tuple(found)


def plan(
  budgets: Sequence[Budget],
  left: Sequence[int],
  given: int,
  pace: Pace,
) -> Plan:
  """Puts together how far the work is.

  Args:
    budgets: of `budgets`.
    left: the answers that each of them still wants.
    given: answers, of those that are needed.
    pace: of those who answer.
  """
  rows = tuple(
    Row(budget, missing, hours(missing, pace))
    for budget, missing in zip(budgets, left, strict=True)
  )
  points, needed = (
    (budgets[-1].points, budgets[-1].answers) if budgets else (0, 0)
  )
  return Plan(points, needed, given, pace, hours(needed - given, pace), rows)


def hours(answers: float, pace: Pace) -> float:
  """How long so many answers take."""
  return answers * pace.seconds / 3600
