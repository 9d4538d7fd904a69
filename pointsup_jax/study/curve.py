"""Plots mIoU against labelled points, one curve per series."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from matplotlib import axes

from pointsup_jax.report.figures import style
from pointsup_jax.study import table as table_lib

_MARKERS = 'osD^vPX*'  # with the six colours: 24 distinct series
_DASHES = ((0, (5, 2)), (0, (1, 1.5)))


def draw(table: Sequence[table_lib.Line], seeds: Sequence[int]) -> bytes:
  """Draws a PNG; rows without a series become dashed horizontal lines.

  Bars are standard errors: confidence intervals would hide the curves.
  """
  with style.look():
    fig = style.new(4.2)
    ax = fig.subplots()
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
    for line in sorted(table, key=lambda line: line.row.points):
      if line.row.series is not None:
        series.setdefault(line.row.series, []).append(line)
    for i, (name, mine) in enumerate(series.items()):
      ax.errorbar(
        [line.row.points for line in mine],
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
    _points_axis(ax, {line.row.points for line in table if line.row.series})
    ax.set_ylabel('mIoU in %')
    ax.set_title(f'mean over {len(seeds)} seeds, bars: standard error')
    ax.grid()
    fig.legend(loc='outside right center')
    return style.png(fig)


def _points_axis(ax: axes.Axes, points: set[float]) -> None:
  smallest = min((x for x in points if x > 0), default=1.0)
  ax.set_xscale('symlog', linthresh=smallest)
  ticks = sorted(points)
  ax.set_xticks(ticks, [f'{x:,.0f}' for x in ticks], rotation=30)
  ax.minorticks_off()
  ax.set_xlabel('points labelled, in all target images')


def _standard_error(values: Sequence[float]) -> float:
  if len(values) < 2:
    return 0.0
  return float(np.std(values, ddof=1)) / math.sqrt(len(values))
