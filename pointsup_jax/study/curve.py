"""Plots mIoU over labelled points and over hours, one curve per series."""

import itertools
from collections.abc import Sequence

import numpy as np
from matplotlib import axes

from pointsup_jax.report.figures import style
from pointsup_jax.study import table as table_lib

_MARKERS = 'osD^vPX*'  # with the six colours: 24 distinct series
_DASHES = ((0, (5, 2)), (0, (1, 1.5)))


def draw(table: Sequence[table_lib.Line], seeds: Sequence[int]) -> bytes:
  """Draws a PNG of mIoU over points and, where times are known, over hours.

  Rows without a series become dashed horizontal lines. Bars are the table's
  intervals; a single seed has none. Images labelled whole are no points: they
  only have hours.
  """
  series: dict[str, list[table_lib.Line]] = {}
  for line in table:
    if line.row.series is not None:
      series.setdefault(line.row.series, []).append(line)
  timed = any(line.row.seconds for line in table)
  with style.look():
    fig = style.new(7.0 if timed else 4.2)
    panels = fig.subplots(1 + timed, squeeze=False, sharey=True)[:, 0]
    for ax in panels:
      _levels(ax, [line for line in table if line.row.series is None])
      ax.set_ylabel('mIoU in %')
      ax.grid()
    points = {
      name: {x.row.points: x for x in mine if not x.row.whole}
      for name, mine in series.items()
    }
    _curves(panels[0], points, ',.0f')
    panels[0].set_title(
      f'mean over {len(seeds)} seeds, bars: 95% intervals'
      if len(seeds) > 1
      else 'one seed'
    )
    panels[0].set_xlabel('points labelled, in all target images')
    if timed:
      hours = {
        name: {x.row.seconds / 3600: x for x in mine}
        for name, mine in series.items()
      }
      _curves(panels[1], hours, ',.4g')
      panels[1].set_xlabel('hours of labelling')
    shown = panels[-1].get_legend_handles_labels()
    fig.legend(*shown, loc='outside right center')
    return style.png(fig)


def _levels(ax: axes.Axes, table: Sequence[table_lib.Line]) -> None:
  for line, dashes in zip(table, itertools.cycle(_DASHES), strict=False):
    ax.axhline(
      line.miou.mean,
      color='0.45',
      linestyle=dashes,
      linewidth=1.2,
      label=line.row.title,
    )


def _curves(
  ax: axes.Axes, series: dict[str, dict[float, table_lib.Line]], digits: str
) -> None:
  """Draws each series over its costs, on a logarithmic axis with 0."""
  for i, (name, mine) in enumerate(series.items()):
    costs = sorted(mine)
    ax.errorbar(
      costs,
      [mine[cost].miou.mean for cost in costs],
      [np.nan_to_num(mine[cost].miou.half) for cost in costs],
      color=style.COLORS[i % len(style.COLORS)],
      marker=_MARKERS[i % len(_MARKERS)],
      linestyle='-' if len(mine) > 1 else '',
      markersize=5,
      capsize=3,
      linewidth=1.5,
      label=name,
    )
  ticks = sorted({cost for mine in series.values() for cost in mine})
  smallest = min((x for x in ticks if x > 0), default=1.0)
  ax.set_xscale('symlog', linthresh=smallest)
  ax.set_xticks(ticks, [f'{x:{digits}}' for x in ticks], rotation=30)
  ax.minorticks_off()
