"""What the answers cost the people who gave them."""

import collections
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pointsup_jax.annotation import records


class Effort(NamedTuple):
  """One annotator's answers, or everybody's."""

  annotator: str
  answers: int  # labels and unsure ones
  unsure: int
  timed: int  # answers whose time is known
  median: float | None  # seconds an answer; None where no time is known
  p90: float | None
  hours: float | None  # of the answers whose time is known

  @property
  def unsure_share(self) -> float:
    """Of the answers."""
    return self.unsure / self.answers if self.answers else 0.0


def measure(given: Sequence[records.PersonAnswer]) -> list[Effort]:
  """The effort of every annotator; with several, everybody's comes last.

  Times are without pauses where the page measured them.

  Args:
    given: what each annotator says.
  """
  answers: dict[str, list[records.PersonAnswer]] = collections.defaultdict(list)
  for said in given:
    if said.answer != 'skip':
      answers[said.annotator].append(said)
  found = [_of(who, answers[who]) for who in sorted(answers)]
  if len(found) > 1:
    everything = [said for who in sorted(answers) for said in answers[who]]
    found.append(_of('all', everything))
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
