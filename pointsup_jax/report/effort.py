"""What the answers cost the people who gave them."""

import collections
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pointsup_jax.annotation import store as store_lib


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


def measure(
  standing: Sequence[store_lib.Standing],
  holding: Mapping[str, store_lib.Entry],
) -> list[Effort]:
  """The effort of every annotator; with several, everybody's comes last.

  Times are without pauses where the page measured them. Other tools give one
  time for an answer, which is in `holding`.

  Args:
    standing: what each annotator says.
    holding: the answer that holds, by the request's id.
  """
  answers: dict[str, list[store_lib.Standing]] = collections.defaultdict(list)
  for said in standing:
    if said.answer != 'skip':
      answers[said.annotator].append(said)
  found = [_of(who, answers[who], holding) for who in sorted(answers)]
  if len(found) > 1:
    everything = [said for who in sorted(answers) for said in answers[who]]
    found.append(_of('all', everything, holding))
  return found


def _of(
  annotator: str,
  answers: Sequence[store_lib.Standing],
  holding: Mapping[str, store_lib.Entry],
) -> Effort:
  times = [
    seconds
    for said in answers
    if (seconds := _seconds(said, holding.get(said.request))) is not None
  ]
  return Effort(
    annotator=annotator,
    answers=len(answers),
    unsure=sum(said.answer == 'unsure' for said in answers),
    timed=len(times),
    median=float(np.median(times)) if times else None,
    p90=float(np.quantile(times, 0.9)) if times else None,
    hours=sum(times) / 3600 if times else None,
  )


def _seconds(
  said: store_lib.Standing, holds: store_lib.Entry | None
) -> float | None:
  if said.active_seconds is not None:
    return said.active_seconds
  if holds is not None and holds.annotator == said.annotator:
    return holds.seconds
  return None
