"""Scores of the kept checkpoints.

The best step is listed beside the last one and never replaces it, because it is
chosen on the labels it is scored on.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

# (step, mIoU in [0, 1] or None), in ascending order.
Steps: TypeAlias = Sequence[tuple[int, float | None]]


class CheckpointRow(NamedTuple):
  """A checkpoint of a model."""

  model: str
  step: int
  miou: float | None
  notes: str  # 'last', 'best', both or ''


def rows(models: Mapping[str, Steps]) -> list[CheckpointRow]:
  """Rows by model: its last step, then earlier ones, oldest first."""
  found = []
  for name, steps in models.items():
    best = max((miou for _, miou in steps if miou is not None), default=None)
    last = steps[-1]
    for step, miou in (last, *steps[:-1]):
      notes = ['last'] if step == last[0] else []
      if len(steps) > 1 and miou is not None and miou == best:
        notes.append('best')
      found.append(CheckpointRow(name, step, miou, ', '.join(notes)))
  return found
