"""Plots mIoU over labelled points and over hours, one curve per series."""

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib import axes

from pointsup_jax.report.figures import style
from pointsup_jax.study import table as table_lib

_MARKERS = 'osD^vPX*'  # with the six colours: 24 distinct series
_DASHES = ((0, (5, 2)), (0, (1, 1.5)))


def draw(table: Sequence[table_lib.Line], seeds: Sequence[int]) -> bytes:
  """Draws a PNG of mIoU over points and over hours.

  Rows without a series become dashed horizontal lines. Bars are standard
  errors: confidence intervals would hide the curves. Hours are left out where
  no time is known.
  """
  costs = {'points labelled, in all target images': _points}
  if any(line.row.seconds for line in table):
    costs['hours of labelling'] = _hours
  with style.look():
    fig = style.new(0.6 + 3.2 * len(costs))
    panels = fig.subplots(len(costs), squeeze=False, sharey=True)[:, 0]
    for ax, (label, cost) in zip(panels, costs.items(), strict=True):
      _panel(ax, table, cost)
      ax.set_xlabel(label)
      ax.set_ylabel('mIoU in %')
      ax.grid()
    panels[0].set_title(f'mean over {len(seeds)} seeds, bars: standard error')
    fig.legend(
      *panels[0].get_legend_handles_labels(), loc='outside right center'
    )
    return style.png(fig)


def _points(row: table_lib.Row) -> float:
  return row.points


def _hours(row: table_lib.Row) -> float:
  return row.seconds / 3600


def _panel(
  ax: axes.Axes,
  table: Sequence[table_lib.Line],
  cost: Callable[[table_lib.Row], float],
) -> None:
  """Draws the levels, and each series over what its rows cost."""
  levels = [line for line in table if line.row.series is None]
  for line, dashes in zip(levels, itertools.cycle(_DASHES), strict=False):
    ax.axhline(
      line.miou.mean,
      color='0.45',
      linestyle=dashes,
      linewidth=1.2,
      label=line.row.title,
    )
  series: dict[str, list[table_lib.Line]] = {}
  for line in sorted(table, key=lambda line: cost(line.row)):
    if line.row.series is not None:
      series.setdefault(line.row.series, []).append(line)
  for i, (name, mine) in enumerate(series.items()):
    ax.errorbar(
      [cost(line.row) for line in mine],
      [line.miou.mean for line in mine],
      [_standard_error(line.row.miou) for line in mine],
      color=style.COLORS[i % len(style.COLORS)],
      marker=_MARKERS[i % len(_MARKERS)],
      linestyle='-' if len(mine) > 1 else '',
      markersize=5,
      capsize=3,
      linewidth=1.5,
      label=name,
    )
  _cost_axis(ax, {cost(line.row) for line in table if line.row.series})


def _cost_axis(ax: axes.Axes, costs: set[float]) -> None:
  """A logarithmic axis with 0, ticked at what the rows cost."""
  smallest = min((x for x in costs if x > 0), default=1.0)
  ax.set_xscale('symlog', linthresh=smallest)
  ticks = sorted(costs)
  ax.set_xticks(ticks, [f'{x:,.4g}' for x in ticks], rotation=30)
  ax.minorticks_off()


def _standard_error(values: Sequence[float]) -> float:
  if len(values) < 2:
    return 0.0
  return float(np.std(values, ddof=1)) / math.sqrt(len(values))
