"""Draws images side by side, each above its labels and predictions."""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib import axes, cm, colors, lines, patches

from pointsup_jax.data import classes as classes_lib
from pointsup_jax.report.figures import style
from pointsup_jax.types import IGNORE

# In inches.
_HIGHEST = 8.2  # height of all rows together, so that they fit a page
_LEFT, _BAR = 0.22, 0.4  # widths of the row names and of the colour bar
_TOP, _LINE = 0.36, 0.16  # heights of the titles and of a legend line
_LEGEND = 1.15  # width of a legend entry
_GAP = 0.04


class Dot(NamedTuple):
  """A requested point."""

  row: int
  col: int
  answer: int | None  # 255: none of the classes; None: unsure or open
  agrees: bool  # with the model's guess


class Tile(NamedTuple):
  """Exactly one of image, labels and scores, with patches and points over it.

  All tiles of a strip have the same size.
  """

  image: np.ndarray | None = None  # [H, W, 3] uint8
  labels: np.ndarray | None = None  # [H, W] uint8, 255 = ignore
  scores: np.ndarray | None = None  # [H, W] in [0, 1]
  asked: Sequence[tuple[int, int, int, int]] = ()  # top, left, height, width
  dots: Sequence[Dot] = ()


class Strip(NamedTuple):
  """One image and its tiles."""

  title: str
  name: str  # the image's
  tiles: dict[str, Tile]  # row name -> tile


def draw(strips: Sequence[Strip], classes: classes_lib.ClassSet) -> bytes:
  """Draws a PNG with one column per strip and one row per kind of tile.

  Needs at least one strip; missing tiles stay blank. The legend lists only
  classes that occur.
  """
  kinds = list(dict.fromkeys(kind for strip in strips for kind in strip.tiles))
  columns = max(len(strips), 2)  # a single one would be too large
  room = (style.WIDTH - _LEFT - _BAR) / columns - _GAP
  height, width = _array(next(iter(strips[0].tiles.values()))).shape[:2]
  tile_height = min(room * height / width, _HIGHEST / len(kinds))
  tile_width = tile_height * width / height
  fig_width = _LEFT + columns * (tile_width + _GAP) + _BAR
  across = max(int(fig_width / _LEGEND), 1)
  handles = _legend(strips, classes)
  bottom = _LINE * -(-len(handles) // across) + 2 * _GAP
  fig_height = bottom + len(kinds) * (tile_height + _GAP) + _TOP
  with style.look():
    fig = style.new(fig_height, fig_width)
    fig.set_layout_engine('none')

    def place(row: int, left: float, width: float) -> axes.Axes:
      """Axes in a row; `left` and `width` in inches."""
      above = _TOP + row * (tile_height + _GAP)
      low = fig_height - above - tile_height
      rectangle = (left, low, width, tile_height)
      sides = (fig_width, fig_height, fig_width, fig_height)
      (x, y, w, h) = (a / b for a, b in zip(rectangle, sides, strict=True))
      return fig.add_axes((x, y, w, h))

    for column, strip in enumerate(strips):
      left = _LEFT + column * (tile_width + _GAP)
      for row, kind in enumerate(kinds):
        ax = place(row, left, tile_width)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.spines[:].set_visible(False)
        if row == 0:
          ax.set_title(_title(strip, tile_width), fontsize=7)
        if column == 0:
          ax.set_ylabel(kind, fontsize=7)
        if kind in strip.tiles:
          _draw_tile(ax, strip.tiles[kind], classes)
    for row, kind in enumerate(kinds):
      shown = [strip.tiles[kind] for strip in strips if kind in strip.tiles]
      if any(tile.scores is not None for tile in shown):
        scale = cm.ScalarMappable(colors.Normalize(0, 1), 'magma')
        bar = fig.colorbar(scale, cax=place(row, fig_width - _BAR, 0.1))
        bar.outline.set_visible(False)
    fig.legend(
      handles=handles,
      loc='lower center',
      ncols=across,
      handlelength=1.0,
      handleheight=1.0,
      columnspacing=1.2,
      borderaxespad=0.2,
    )
    return style.png(fig)


def _title(strip: Strip, width: float) -> str:
  length = int(width * 16)  # characters that fit in `width` inches
  # Image names differ at their ends: cut the start.
  return f'{strip.title}\n{style.short(strip.name[::-1], length)[::-1]}'


def _draw_tile(
  ax: axes.Axes, tile: Tile, classes: classes_lib.ClassSet
) -> None:
  array = _array(tile)
  if tile.labels is not None:
    array = colored(tile.labels, classes)
  elif tile.dots or tile.asked:  # make them stand out
    grey = 0.2 + 0.4 * array.mean(axis=2, keepdims=True) / 255
    array = np.repeat(grey, 3, axis=2)
  elif tile.scores is not None:
    array = matplotlib.colormaps['magma'](np.clip(array, 0, 1))[..., :3]
  height, width = array.shape[:2]
  ax.imshow(
    array,
    extent=(0, width, height, 0),
    # Labels must not be blended; images are smoothed when shrunk.
    interpolation='nearest' if tile.labels is not None else 'antialiased',
  )
  for top, left, patch_height, patch_width in tile.asked:
    ax.add_patch(
      patches.Rectangle(
        (left, top),
        patch_width,
        patch_height,
        fill=False,
        edgecolor='white',
        linewidth=0.6,
      )
    )
  for agrees, marker in ((True, 'o'), (False, 'X')):
    dots = [dot for dot in tile.dots if dot.agrees == agrees]
    ax.scatter(
      [dot.col + 0.5 for dot in dots],
      [dot.row + 0.5 for dot in dots],
      s=6 if agrees else 9,
      marker=marker,
      c=[_color(dot.answer, classes) for dot in dots],
      edgecolors='white',
      linewidths=0.3,
    )
  ax.set_xlim(0, width)
  ax.set_ylim(height, 0)


def colored(labels: np.ndarray, classes: classes_lib.ClassSet) -> np.ndarray:
  """Colours labels [H, W] as [H, W, 3] uint8; 255 is black."""
  table = np.zeros((256, 3), np.uint8)
  table[: classes.num_classes] = classes.palette
  return table[labels]


def _color(
  label: int | None, classes: classes_lib.ClassSet
) -> tuple[float, float, float]:
  if label is None or label == IGNORE:
    return (0.0, 0.0, 0.0)
  return style.rgb(classes.palette[label])


def _array(tile: Tile) -> np.ndarray:
  given = (tile.image, tile.labels, tile.scores)
  return next(array for array in given if array is not None)


def _used(strips: Sequence[Strip]) -> list[int]:
  """Labels in any tile or dot, sorted; 255 included."""
  seen: set[int] = set()
  for strip in strips:
    for tile in strip.tiles.values():
      if tile.labels is not None:
        seen |= set(np.unique(tile.labels).tolist())
      seen |= {IGNORE if x.answer is None else x.answer for x in tile.dots}
  return sorted(seen)


def _legend(strips: Sequence[Strip], classes: classes_lib.ClassSet) -> list:
  names = style.class_labels(classes.names, 18)
  handles: list = [
    patches.Patch(
      facecolor=_color(label, classes),
      edgecolor=style.INK,
      linewidth=0.3,
      label='not labelled' if label == IGNORE else names[label],
    )
    for label in _used(strips)
  ]
  if any(tile.dots for strip in strips for tile in strip.tiles.values()):
    handles += [
      lines.Line2D(
        [], [], linestyle='', marker=marker, color=style.INK, label=label
      )
      for marker, label in (('o', 'as guessed'), ('X', 'otherwise'))
    ]
  return handles
