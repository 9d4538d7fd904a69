"""Annotation effort: answers and time per annotator."""

import collections
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from pointsup_jax.annotation import records


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


def of_each(given: Iterable[records.PersonAnswer]) -> list[Effort]:
  """The effort per annotator, sorted by name.

  Skipped points do not count. Times exclude pauses where they were measured.
  """
  answers: dict[str, list[records.PersonAnswer]] = collections.defaultdict(list)
  for said in given:
    if said.answer != 'skip':
      answers[said.annotator].append(said)
  return [_of(who, answers[who]) for who in sorted(answers)]


def measure(given: Sequence[records.PersonAnswer]) -> list[Effort]:
  """As `of_each`; with several annotators, 'all' comes last."""
  found = of_each(given)
  if len(found) > 1:
    found.append(_of('all', [said for said in given if said.answer != 'skip']))
  return found


def _of(annotator: str, answers: Sequence[records.PersonAnswer]) -> Effort:
  known = (
    said.seconds if said.active_seconds is None else said.active_seconds
    for said in answers
  )
  times = [seconds for seconds in known if seconds is not None]
  return Effort(
    annotator=annotator,
    answers=len(answers),
    unsure=sum(said.answer == 'unsure' for said in answers),
    timed=len(times),
    median=float(np.median(times)) if times else None,
    p90=float(np.quantile(times, 0.9)) if times else None,
    hours=sum(times) / 3600 if times else None,
  )
