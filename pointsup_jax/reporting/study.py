"""Several runs over several seeds: their table and their curve."""

import csv
import io
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats


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


def interval(values: Sequence[float]) -> Interval:
  """Student's t interval of the mean of independent values."""
  mean = float(np.mean(values))
  if len(values) < 2:
    return Interval(mean, math.nan)
  error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
  return Interval(mean, float(stats.t.ppf(0.975, len(values) - 1)) * error)


def lines(
  rows: Sequence[Row], low: str | None = None, high: str | None = None
) -> list[Line]:
  """Compares every row with others, seed by seed.

  Args:
    rows: with one value a seed each, all of the same seeds.
    low: title of the row at which none of the gap is closed.
    high: title of the row at which all of it is.
  """
  by_title = {row.title: np.array(row.miou) for row in rows}
  found = []
  for row in rows:
    miou = by_title[row.title]
    gain = gap = None
    if row.over is not None:
      gain = interval(miou - by_title[row.over])
    if low in by_title and high in by_title and row.series is not None:
      whole = by_title[high] - by_title[low]
      if (whole > 0).all():
        gap = interval(100 * (miou - by_title[low]) / whole)
    found.append(Line(row, interval(row.miou), gain, gap))
  return found


def markdown(table: Sequence[Line], seeds: Sequence[int]) -> str:
  """The table for people; intervals are of 95 %."""
  each = [f'seed {seed}' for seed in seeds]
  header = [
    '', 'points', 'hours', 'mIoU', *each, 'gain over UDA',
    'gap closed, %',
  ]  # fmt: skip
  body = [
    [
      line.row.title,
      f'{line.row.points:,.0f}',
      f'{line.row.seconds / 3600:.1f}',
      line.miou.text(1),
      *(f'{x:.1f}' for x in line.row.miou),
      '' if line.gain is None else line.gain.text(1),
      '' if line.gap is None else line.gap.text(0),
    ]
    for line in table
  ]
  rule = ['---'] * len(header)
  return '\n'.join(
    f'| {" | ".join(cells)} |' for cells in (header, rule, *body)
  )


def comma_separated(table: Sequence[Line], seeds: Sequence[int]) -> str:
  """The same for programs, with all digits."""
  out = io.StringIO()
  writer = csv.writer(out, lineterminator='\n')
  writer.writerow(
    [
      'row', 'points', 'seconds', 'miou', 'miou_ci95',
      *(f'miou_seed{seed}' for seed in seeds),
      'gain', 'gain_ci95', 'gap_percent', 'gap_ci95',
    ]
  )  # fmt: skip
  for line in table:
    gain = line.gain or ('', '')
    gap = line.gap or ('', '')
    writer.writerow(
      [
        line.row.title, line.row.points, line.row.seconds, *line.miou,
        *line.row.miou, *gain, *gap,
      ]
    )  # fmt: skip
  return out.getvalue()
