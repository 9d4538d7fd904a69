"""Renders a study as one self-contained HTML file."""

import datetime
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pointsup_jax.report import comparison
from pointsup_jax.report import page as report_page
from pointsup_jax.study import table as table_lib


class _Shown(NamedTuple):
  """A row of the tables."""

  line: table_lib.Line
  to_best: table_lib.Interval | None  # paired difference; None: it is the best
  classes: np.ndarray  # [C] IoU, or its gain over the row's baseline
  is_gain: bool


def render(
  title: str,
  table: Sequence[table_lib.Line],
  classes: Sequence[comparison.Scores],
  names: Sequence[str],
  seeds: Sequence[int],
  curve: report_page.Drawing | None,
  written: datetime.datetime,
) -> str:
  """Renders the page.

  Args:
    title: of the study.
    table: its rows, at least one.
    classes: the scores of each row, mean over the seeds, in the same order.
    names: of the C classes.
    seeds: of the runs.
    curve: mIoU over points and hours, if any row has points.
    written: the current time in UTC.
  """
  best = best_of(table)
  iou = {x.column: x.iou for x in classes}
  shown = [
    _Shown(
      line,
      None if line is best else table_lib.difference(line.row, best.row),
      iou[line.row.title]
      - (iou[line.row.over] if line.row.over is not None else 0),
      line.row.over is not None,
    )
    for line in table
  ]
  environment = report_page.environment('pointsup_jax.study')
  return environment.get_template('study.html').render(
    title=title,
    verdict=verdict(table),
    rows=shown,
    names=names,
    seeds=list(seeds),
    curve=curve,
    written=written,
  )


def best_of(table: Sequence[table_lib.Line]) -> table_lib.Line:
  """The row with the highest mean mIoU, the first of equals."""
  return max(table, key=lambda line: line.miou.mean)


def verdict(table: Sequence[table_lib.Line]) -> list[str]:
  """Which row is best, for what, and which rows cannot be told from it."""
  best = best_of(table)
  found = [
    f'The highest mIoU, {best.miou.text(1)}, is that of '
    f'{best.row.title or "the config"}'
    + (f', at {best.row.points:,.0f} points.' if best.row.points else '.')
  ]
  if best.gain is not None:
    found[0] = f'{found[0][:-1]}: {best.gain.text(1)} over {best.row.over}.'
  if len(best.row.miou) < 2:
    return [*found, 'One seed has no interval: run more with --seeds.']
  others = [
    (line, table_lib.difference(line.row, best.row))
    for line in table
    if line is not best
  ]
  same = [
    line.row.title or 'the config'
    for line, gap in others
    if gap.mean + gap.half >= 0
  ]  # the paired interval contains 0
  if same:
    found.append(f'Not told apart from it by these seeds: {"; ".join(same)}.')
  elif others:
    found.append('Every other row is worse by more than its 95% interval.')
  return found
