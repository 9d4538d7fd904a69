"""Compares settings over several seeds, as tables."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from pointsup_jax.hosts import csv_text
from pointsup_jax.report import table_formats


class Row(NamedTuple):
  """One setting, run with S seeds."""

  title: str
  series: str | None  # its curve; None: trained without points
  points: float  # answered per run, mean over the seeds
  seconds: float  # of annotation per run, mean over the seeds
  miou: tuple[float, ...]  # [S], percent
  over: str | None = None  # title of the baseline row
  whole: int = 0  # images labelled whole, beside the points


class Interval(NamedTuple):
  """A mean and the half-width of its 95 % confidence interval."""

  mean: float
  half: float  # NaN for a single value

  def text(self, digits: int) -> str:
    """Formats as mean ± half."""
    if math.isnan(self.half):
      return f'{self.mean:.{digits}f}'
    return f'{self.mean:.{digits}f} ± {self.half:.{digits}f}'


class Line(NamedTuple):
  """A row with its statistics; gain and gap are paired by seed."""

  row: Row
  miou: Interval
  gain: Interval | None  # over the baseline, in percentage points
  gap: Interval | None  # closed between 0 and all points, percent


def interval(values: Sequence[float] | np.ndarray) -> Interval:
  """Student's t 95 % interval of the mean of independent values."""
  mean = float(np.mean(values))
  if len(values) < 2:
    return Interval(mean, math.nan)
  error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
  return Interval(mean, float(stats.t.ppf(0.975, len(values) - 1)) * error)


def lines(rows: Sequence[Row], full: int) -> list[Line]:
  """Computes the gains and closed gaps of all rows, seed by seed.

  Among rows with the same baseline, the row with 0 points has closed 0 % of the
  gap and the row with `full` points 100 %. The gap is None if either is missing
  or `full` is not better for every seed.

  Args:
    rows: one mIoU per seed each, for the same seeds in the same order.
    full: points of a run that asks about everything.
  """
  by_title = {row.title: np.array(row.miou) for row in rows}
  asked = {
    (row.over, row.points): row.title
    for row in rows
    if row.series and not row.whole
  }
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
  """The table in Markdown, with 95 % intervals and each seed."""
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
  """The table in LaTeX with booktabs, without individual seeds."""
  return table_formats.latex(
    ['Setting', 'points', 'hours', 'mIoU', 'gain', r'gap closed, \%'],
    [[*map(table_formats.escaped, _cells(line))] for line in table],
    columns='lrrrrr',
  )


def _cells(line: Line) -> list[str]:
  row = line.row
  # Leave the time empty if none was recorded.
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
  """The table as CSV in full precision."""
  return csv_text.write(
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


def difference(row: Row, over: Row) -> Interval:
  """The difference in mIoU of one row from another, paired by seed."""
  return interval(np.subtract(row.miou, over.miou))


def differences(rows: Sequence[Row]) -> str:
  """All pairwise mIoU differences, paired by seed, as CSV."""
  return csv_text.write(
    ['row', 'over', 'difference', 'ci95'],
    [
      [row.title, over.title, *difference(row, over)]
      for row, over in itertools.permutations(rows, 2)
    ],
  )
