"""Draws the confusion matrix in percent of each row."""

import numpy as np

from pointsup_jax.data import classes as classes_lib
from pointsup_jax.report import comparison as scores_lib
from pointsup_jax.report.figures import style

_WITH_NUMBERS = 30  # most classes with numbers in the cells
_HEIGHT = 6.6  # inches


def draw(matrix: np.ndarray, classes: classes_lib.ClassSet) -> bytes:
  """Draws a matrix [C, C] as PNG; rows of absent classes are grey."""
  shares = 100 * scores_lib.shares(matrix)
  count = classes.num_classes
  with style.look():
    fig = style.new(_HEIGHT)
    ax = fig.subplots()
    ax.set_facecolor('#dfe3e8')
    image = ax.imshow(
      np.ma.masked_invalid(shares), cmap='Blues', vmin=0, vmax=100
    )
    if count <= _WITH_NUMBERS:
      for i, j in np.argwhere(shares >= 0.5):
        ax.text(
          j,
          i,
          f'{shares[i, j]:.0f}',
          ha='center',
          va='center',
          fontsize=min(7, 110 / count),
          color='white' if shares[i, j] > 55 else style.INK,
        )
    style.name_classes(ax, classes.names, classes.palette, _HEIGHT)
    ax.set_ylim(count - 0.5, -0.5)
    ax.set_xticks(
      range(count),
      style.class_labels(classes.names),
      rotation=90,
      fontsize=min(7.0, 300 / count),
    )
    ax.tick_params(axis='x', length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel('predicted class')
    ax.set_ylabel('true class')
    bar = fig.colorbar(image, shrink=0.6, pad=0.02)
    bar.set_label("% of the true class's pixels")
    bar.outline.set_visible(False)
    return style.png(fig)
