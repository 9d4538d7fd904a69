"""Several runs over several seeds: their table and their curve."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from pointsup_jax.report import table_formats


class Row(NamedTuple):
  """One setting, run with every seed."""

  title: str
  series: str | None  # the curve that it belongs to; None: a level without cost
  points: float  # asked in a run, mean over the seeds
  seconds: float  # that the annotator took, mean over the seeds
  miou: tuple[float, ...]  # [S], percent
  over: str | None = None  # title of the row that its gain is over


class Interval(NamedTuple):
  """A mean and half the width of its 95 % confidence interval."""

  mean: float
  half: float  # NaN for a single value

  def text(self, digits: int) -> str:
    """For people."""
    if math.isnan(self.half):
      return f'{self.mean:.{digits}f}'
    return f'{self.mean:.{digits}f} ± {self.half:.{digits}f}'


class Line(NamedTuple):
  """What a table says of a row; the last two are paired by seed."""

  row: Row
  miou: Interval
  gain: Interval | None  # over the reference, in points
  gap: Interval | None  # closed between self-training and full, percent


def interval(values: Sequence[float] | np.ndarray) -> Interval:
  """Student's t interval of the mean of independent values."""
  mean = float(np.mean(values))
  if len(values) < 2:
    return Interval(mean, math.nan)
  error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
  return Interval(mean, float(stats.t.ppf(0.975, len(values) - 1)) * error)


def lines(rows: Sequence[Row], full: int) -> list[Line]:
  """Compares every row with others, seed by seed.

  Of the rows that gain over the same one, that which asks nothing has closed
  none of the gap, that which asks everything all of it.

  Args:
    rows: with one value a seed each, all of the same seeds.
    full: points of a run that asks everything.
  """
  by_title = {row.title: np.array(row.miou) for row in rows}
  asked = {(row.over, row.points): row.title for row in rows if row.series}
  found = []
  for row in rows:
    miou = by_title[row.title]
    gain = gap = None
    if row.over is not None:
      gain = interval(miou - by_title[row.over])
    low, high = asked.get((row.over, 0)), asked.get((row.over, full))
    if row.series is not None and low is not None and high is not None:
      whole = by_title[high] - by_title[low]
      if (whole > 0).all():
        gap = interval(100 * (miou - by_title[low]) / whole)
    found.append(Line(row, interval(row.miou), gain, gap))
  return found


def markdown(table: Sequence[Line], seeds: Sequence[int]) -> str:
  """The table for people; intervals are of 95 %."""
  rows = []
  for line in table:
    *before, gain, gap = _cells(line)
    rows.append([*before, *(f'{x:.1f}' for x in line.row.miou), gain, gap])
  each = (f'seed {seed}' for seed in seeds)
  return table_formats.markdown(
    ['', 'points', 'hours', 'mIoU', *each, 'gain over UDA', 'gap closed, %'],
    rows,
  )


def latex(table: Sequence[Line]) -> str:
  """The table for a paper, without the single seeds; for booktabs."""
  return table_formats.latex(
    ['Setting', 'points', 'hours', 'mIoU', 'gain', r'gap closed, \%'],
    [[*map(table_formats.escaped, _cells(line))] for line in table],
    columns='lrrrrr',
  )


def _cells(line: Line) -> list[str]:
  """A row for people: title, points, hours, mIoU, gain and gap."""
  row = line.row
  # No time where nobody took any.
  timed = row.seconds > 0 or row.points == 0
  return [
    row.title,
    f'{row.points:,.0f}',
    f'{row.seconds / 3600:.1f}' if timed else '',
    line.miou.text(1),
    '' if line.gain is None else line.gain.text(1),
    '' if line.gap is None else line.gap.text(0),
  ]


def comma_separated(table: Sequence[Line], seeds: Sequence[int]) -> str:
  """The same for programs, with all digits."""
  return table_formats.comma_separated(
    [
      'row', 'points', 'seconds', 'miou', 'miou_ci95',
      *(f'miou_seed{seed}' for seed in seeds),
      'gain', 'gain_ci95', 'gap_percent', 'gap_ci95',
    ],
    [
      [
        line.row.title, line.row.points, line.row.seconds, *line.miou,
        *line.row.miou, *(line.gain or ('', '')), *(line.gap or ('', '')),
      ]
      for line in table
    ],
  )  # fmt: skip


def differences(rows: Sequence[Row]) -> str:
  """By how much each row is above each other, paired by seed, as CSV."""
  return table_formats.comma_separated(
    ['row', 'over', 'difference', 'ci95'],
    [
      [row.title, over.title, *interval(np.subtract(row.miou, over.miou))]
      for row, over in itertools.permutations(rows, 2)
    ],
  )
