"""Dot chart of the IoU per class and model."""

from collections.abc import Sequence

import numpy as np

from pointsup_jax.data import classes as classes_lib
from pointsup_jax.report import comparison as scores_lib
from pointsup_jax.report.figures import style

_WIDTH = 5.0  # inches; the chart is beside a table


def draw(
  scores: Sequence[scores_lib.Scores], classes: classes_lib.ClassSet
) -> bytes:
  """Draws a PNG; lines join the lowest and highest IoU of each class."""
  values = 100 * np.stack([model.iou for model in scores])  # [models, C]
  places = np.arange(classes.num_classes)
  height = 0.9 + 0.22 * classes.num_classes
  with style.look():
    fig = style.new(height, width=_WIDTH)
    ax = fig.subplots()
    known = places[~np.isnan(values).any(axis=0)]
    ax.hlines(
      known,
      values[:, known].min(axis=0),
      values[:, known].max(axis=0),
      color=style.FAINT,
      linewidth=1.2,
      zorder=1,
    )
    for i, (model, row) in enumerate(zip(scores, values, strict=True)):
      mean = 100 * model.means['mIoU']
      ax.scatter(
        row,
        places,
        s=22,
        color=style.COLORS[i % len(style.COLORS)],
        marker=style.MARKERS[i % len(style.MARKERS)],
        edgecolors='white',
        linewidths=0.4,
        label=f'{model.column} (mIoU {mean:.1f})',
        zorder=2 + i,
      )
    style.name_classes(ax, classes.names, classes.palette, height)
    ax.set_xlim(-1, 100)  # keeps dots at 0 whole
    ax.set_xlabel('IoU in %')
    ax.grid(axis='both')
    ax.set_axisbelow(True)
    fig.legend(loc='outside upper center', ncols=min(len(scores), 3))
    return style.png(fig)
