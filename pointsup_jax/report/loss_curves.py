"""The losses of the training phases, from their metrics.jsonl."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# What is learned from labels; everything else is the adaptation method's.
_SUPERVISED = ('source', 'answers', 'guesses')
_SMOOTH = 0.8  # share of the past in the smoothed curve


class Curve(NamedTuple):
  """One loss of the main head."""

  name: str
  supervised: bool
  steps: np.ndarray  # [L] int
  values: np.ndarray  # [L]


class Phase(NamedTuple):
  """One training phase."""

  title: str
  curves: list[Curve]
  steps: int  # the last step that was logged
  seconds: float  # of all sessions, the time before the first line included


def of_phase(title: str, records: Sequence[dict]) -> Phase:
  """What a phase's records hold; the aux head's losses are left out.

  Args:
    title: names the phase.
    records: of metrics.jsonl, at least one.
  """
  names = sorted(
    {
      name
      for record in records
      for name in record
      if name not in ('step', 'seconds', 'loss') and not name.endswith('_aux')
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
  return Phase(title, curves, records[-1]['step'], trained_seconds(records))


def trained_seconds(records: Sequence[dict]) -> float:
  """How long the steps took over all sessions; each counts from zero."""
  seconds = [record.get('seconds', 0.0) for record in records]
  ends = [
    now
    for now, after in zip(seconds, [*seconds[1:], 0.0], strict=True)
    if after <= now
  ]
  return float(sum(ends))


def smoothed(values: np.ndarray) -> np.ndarray:
  """The exponential moving average of [L] values, unbiased at its start."""
  average, weight, found = 0.0, 0.0, []
  for value in values:
    average = _SMOOTH * average + (1 - _SMOOTH) * float(value)
    weight = _SMOOTH * weight + (1 - _SMOOTH)
    found.append(average / weight)
  return np.array(found)
