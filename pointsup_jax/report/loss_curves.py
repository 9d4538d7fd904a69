"""Loss curves of the training phases, from metrics.jsonl."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# Losses on labels; all others are the adaptation method's.
_SUPERVISED = ('source', 'answers', 'guesses')
# Of a record, what is no loss of the main head.
_OTHERS = ('step', 'seconds', 'lr', 'lr_opponent', 'loss')
_SMOOTH = 0.8  # weight of the past in the moving average


class Curve(NamedTuple):
  """One loss of the main head."""

  name: str
  supervised: bool
  steps: np.ndarray  # [L] int
  values: np.ndarray  # [L]


class Curves(NamedTuple):
  """One training phase."""

  title: str
  curves: list[Curve]
  steps: int  # the last logged step
  seconds: float  # see `trained_seconds`


def of_phase(title: str, records: Sequence[dict]) -> Curves:
  """Makes a phase from the records of metrics.jsonl (at least one).

  Losses of the aux head are left out.
  """
  names = sorted(
    {
      name
      for record in records
      for name in record
      if name not in _OTHERS and not name.endswith('_aux')
    }
  )
  curves = []
  for name in names:
    points = [(r['step'], r[name]) for r in records if name in r]
    steps, values = zip(*points, strict=True)
    title_of = name.removesuffix('_main')
    curves.append(
      Curve(
        title_of, title_of in _SUPERVISED, np.array(steps), np.array(values)
      )
    )
  return Curves(title, curves, records[-1]['step'], trained_seconds(records))


def trained_seconds(records: Sequence[dict]) -> float:
  """Training time over all sessions; each counts `seconds` from zero."""
  seconds = [record.get('seconds', 0.0) for record in records]
  ends = [
    now
    for now, after in zip(seconds, [*seconds[1:], 0.0], strict=True)
    if after <= now
  ]
  return float(sum(ends))


def smoothed(values: np.ndarray) -> np.ndarray:
  """Bias-corrected exponential moving average of [L] values."""
  average, weight, found = 0.0, 0.0, []
  for value in values:
    average = _SMOOTH * average + (1 - _SMOOTH) * float(value)
    weight = _SMOOTH * weight + (1 - _SMOOTH)
    found.append(average / weight)
  return np.array(found)
