"""Charts of the clicks by class and by patch."""

import numpy as np

from pointsup_jax.data import classes as classes_lib
from pointsup_jax.report import click_statistics as clicks_lib
from pointsup_jax.report.figures import style


def by_class(clicks: clicks_lib.Clicks, classes: classes_lib.ClassSet) -> bytes:
  """Draws a PNG: points by guess and answer, and disagreement by guess."""
  places = np.arange(classes.num_classes)
  guessed = _percent(clicks.asked)
  answered = _percent(clicks.answered)
  differ = 100 * clicks_lib.disagreement_by_guess(clicks.answers)
  height = 1.2 + 0.2 * classes.num_classes
  with style.look():
    fig = style.new(height)
    left, right = fig.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    left.barh(
      places - 0.2, guessed, 0.36, color=style.COLORS[1], label='guessed'
    )
    left.barh(
      places + 0.2, answered, 0.36, color=style.COLORS[0], label='answered'
    )
    left.set_xlabel('% of the points')
    left.set_title('Points by class', loc='left')
    left.legend(loc='lower right')
    right.barh(places, np.nan_to_num(differ), 0.6, color=style.COLORS[5])
    right.set_xlim(0, 100)
    right.set_xlabel('% of the points with this guess')
    right.set_title('Answered otherwise than guessed', loc='left')
    style.name_classes(left, classes.names, classes.palette, height)
    right.tick_params(axis='y', length=0, labelleft=False)
    for ax in (left, right):
      ax.grid(axis='x')
      ax.set_axisbelow(True)
    return style.png(fig)


def by_patch(clicks: clicks_lib.Clicks, size: tuple[int, int]) -> bytes:
  """Draws the patch grid as PNG, in the shape of images (H, W)."""
  height, width = size
  share = 100 * clicks.patches / max(clicks.images, 1)
  with style.look():
    fig = style.new(min(0.6 + 5.2 * height / width, 7.0))
    ax = fig.subplots()
    image = ax.imshow(
      share,
      cmap='cividis',
      vmin=0,
      extent=(0, width, height, 0),
      interpolation='nearest',
    )
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    bar = fig.colorbar(image, shrink=0.9, pad=0.02)
    bar.set_label('% of the images in which it was asked')
    bar.outline.set_visible(False)
    return style.png(fig)


def _percent(counts: np.ndarray) -> np.ndarray:
  return 100 * counts / max(counts.sum(), 1)
