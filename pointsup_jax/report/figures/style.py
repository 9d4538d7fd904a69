"""What all figures share: size, type, and colours that everybody can tell.

Names of classes and images come from users' files: no text is taken for
formulae here.
"""

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence

import matplotlib
from matplotlib import axes, figure

WIDTH = 7.2  # inches, a page's text
DPI = 200
# Okabe and Ito's colours, which colour-blind people tell apart.
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
  """What is drawn and saved within looks alike, whatever the user's settings.

  No glyphs for a name in the font is no reason to warn: the page has the name.
  """
  with matplotlib.rc_context(), warnings.catch_warnings():
    matplotlib.rcdefaults()
    matplotlib.rcParams.update(_STYLE)
    warnings.filterwarnings('ignore', message='Glyph .* missing')
    yield


def new(height: float, width: float = WIDTH) -> figure.Figure:
  """An empty figure; height and width in inches."""
  return figure.Figure(figsize=(width, height), dpi=DPI, layout='constrained')


def png(drawn: figure.Figure) -> bytes:
  """The file of a figure, the same for the same figure."""
  file = io.BytesIO()
  drawn.savefig(file, format='png', metadata={'Software': None})
  return file.getvalue()


def short(name: str, length: int = 24) -> str:
  """A name that fits an axis."""
  return name if len(name) <= length else name[: length - 1] + '…'


def rgb(color: Sequence[int]) -> tuple[float, float, float]:
  """A colour of 0..255 as matplotlib has it."""
  red, green, blue = color
  return red / 255, green / 255, blue / 255


def name_classes(
  ax: axes.Axes,
  names: Sequence[str],
  palette: Sequence[Sequence[int]],
  height: float,
) -> None:
  """Puts classes on the y axis, the first on top, with their own colours.

  Args:
    ax: where.
    names: C names.
    palette: C colours of 0..255.
    height: of the figure in inches; many names get small letters.
  """
  places = range(len(names))
  size = min(7.0, 72 * 0.8 * height / len(names))
  ax.set_yticks(places, [short(name) for name in names], fontsize=size)
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
