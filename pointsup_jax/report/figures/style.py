"""Shared figure style: sizes, fonts and colour-blind safe colours.

Math parsing is off, because class and image names come from users' files.
"""

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence

import matplotlib
from matplotlib import axes, figure, font_manager

WIDTH = 7.2  # inches, the text width of a page
DPI = 200
# Okabe and Ito's palette, safe for colour-blind people.
COLORS = ('#0072B2', '#E69F00', '#009E73', '#CC79A7', '#56B4E9', '#D55E00')
MARKERS = 'osD^vP'
INK, FAINT = '#1f2933', '#9aa5b1'

_STYLE: dict = {
  'font.size': 8,
  'font.family': 'sans-serif',
  'text.parse_math': False,
  'text.color': INK,
  'axes.edgecolor': FAINT,
  'axes.labelcolor': INK,
  'axes.titlesize': 8,
  'axes.titleweight': 'bold',
  'axes.spines.top': False,
  'axes.spines.right': False,
  'axes.linewidth': 0.6,
  'xtick.color': INK,
  'ytick.color': INK,
  'xtick.labelsize': 7,
  'ytick.labelsize': 7,
  'xtick.major.width': 0.6,
  'ytick.major.width': 0.6,
  'grid.color': '#e4e7eb',
  'grid.linewidth': 0.6,
  'legend.frameon': False,
  'legend.fontsize': 7,
}


@contextlib.contextmanager
def look() -> Iterator[None]:
  """Applies the style in its block, whatever the user's settings.

  Suppresses warnings about missing glyphs, which names of images may have.
  """
  with matplotlib.rc_context(), warnings.catch_warnings():
    matplotlib.rcdefaults()
    matplotlib.rcParams.update(_STYLE)
    warnings.filterwarnings('ignore', message='Glyph .* missing')
    yield


def new(height: float, width: float = WIDTH) -> figure.Figure:
  """Creates an empty figure; height and width in inches."""
  return figure.Figure(figsize=(width, height), dpi=DPI, layout='constrained')


def png(drawn: figure.Figure) -> bytes:
  """Encodes a figure as PNG, deterministically."""
  file = io.BytesIO()
  drawn.savefig(file, format='png', metadata={'Software': None})
  return file.getvalue()


def short(name: str, length: int = 24) -> str:
  """Cuts a name to `length` characters."""
  return name if len(name) <= length else name[: length - 1] + '…'


def class_labels(names: Sequence[str], length: int = 24) -> list[str]:
  """Short names of classes; numbers where the font lacks letters of a name."""
  font = font_manager.get_font(
    font_manager.findfont(font_manager.FontProperties(family=['sans-serif']))
  )
  known = font.get_charmap()
  return [
    short(name, length) if all(ord(x) in known for x in name) else f'class {i}'
    for i, name in enumerate(names)
  ]


def rgb(color: Sequence[int]) -> tuple[float, float, float]:
  """Converts a colour from 0..255 to 0..1."""
  red, green, blue = color
  return red / 255, green / 255, blue / 255


def name_classes(
  ax: axes.Axes,
  names: Sequence[str],
  palette: Sequence[Sequence[int]],
  height: float,
) -> None:
  """Labels the y axis with C classes and their colours, the first on top.

  `palette` has C colours of 0..255; the font size depends on `height`, the
  figure's height in inches.
  """
  places = range(len(names))
  size = min(7.0, 72 * 0.8 * height / len(names))
  ax.set_yticks(places, class_labels(names), fontsize=size)
  ax.tick_params(axis='y', length=0, pad=9)
  ax.scatter(
    [-0.012] * len(names),
    places,
    s=(size * 0.8) ** 2,
    marker='s',
    c=[rgb(color) for color in palette],
    edgecolors=INK,
    linewidths=0.3,
    transform=ax.get_yaxis_transform(),
    clip_on=False,
  )
  ax.set_ylim(len(names) - 0.4, -0.6)
