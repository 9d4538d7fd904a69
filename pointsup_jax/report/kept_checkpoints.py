"""How models did at the checkpoints that were kept, the last one first.

Where a model was best is named beside its result, not in place of it: the best
is chosen by the labels that it is scored on.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

# A step and the mIoU there, within [0, 1] or None; the last step last.
Steps: TypeAlias = Sequence[tuple[int, float | None]]


class Row(NamedTuple):
  """A checkpoint of a model."""

  model: str
  step: int
  miou: float | None
  notes: str  # 'last', 'best', both or ''


def rows(models: Mapping[str, Steps]) -> list[Row]:
  """The last step of each model, then those before it, oldest first."""
  found = []
  for name, steps in models.items():
    best = max((miou for _, miou in steps if miou is not None), default=None)
    last = steps[-1]
    for step, miou in (last, *steps[:-1]):
      notes = ['last'] if step == last[0] else []
      if len(steps) > 1 and miou is not None and miou == best:
        notes.append('best')
      found.append(Row(name, step, miou, ', '.join(notes)))
  return found
