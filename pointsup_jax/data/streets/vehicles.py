"""Cars, trucks, buses and trains: boxes on wheels, with details."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from pointsup_jax.data.streets import labels
from pointsup_jax.data.streets.canvas import Canvas, about, rgb
from pointsup_jax.data.streets.kit import Kit, Thing

_RED = rgb(0.8, 0.05, 0.05)
_WHITE = rgb(0.92, 0.92, 0.88)


class Back(NamedTuple):
  """The side of a vehicle that faces the camera; metres."""

  canvas: Canvas
  left: float
  right: float
  high: float
  z: float
  label: int
  glass: np.ndarray  # colour of the windows

  def panel(
    self, inset: float, low: float, top: float, color: np.ndarray
  ) -> None:
    """Paints from side to side, `inset` metres from either."""
    x = self.left + inset, self.right - inset
    self.canvas.front(x, (low, top), self.z, color, self.label)

  def middle(
    self, half: float, low: float, top: float, color: np.ndarray
  ) -> None:
    """Paints around the middle, `half` the width to either side."""
    x = about((self.left + self.right) / 2, half)
    self.canvas.front(x, (low, top), self.z, color, self.label)

  def lamps(self, width: float, inset: float, low: float, top: float) -> None:
    """Paints a red lamp near either side."""
    for x in (self.left + 0.05, self.right - inset):
      self.canvas.front((x, x + width), (low, top), self.z, _RED, self.label)


def _car(back: Back) -> None:
  """Rear window, tail lights, number plate."""
  high = back.high
  back.panel(0.25, 0.62 * high, 0.92 * high, back.glass)
  back.lamps(0.25, 0.3, 0.45 * high, 0.58 * high)
  back.middle(0.25, 0.3 * high, 0.4 * high, _WHITE)


def _truck(back: Back) -> None:
  """Two doors of a cargo box above a dark chassis."""
  dark = rgb(0.12, 0.12, 0.13)
  back.panel(0.0, 0.3, 0.85, dark)
  back.middle(0.04, 0.85, back.high, dark)
  back.lamps(0.25, 0.3, 0.6, 0.8)


def _bus(back: Back) -> None:
  """One large window over the whole width, a display above it."""
  high = back.high
  back.panel(0.15, 0.45 * high, 0.82 * high, back.glass)
  back.panel(0.6, 0.87 * high, 0.95 * high, rgb(0.95, 0.6, 0.1))
  back.lamps(0.2, 0.25, 0.2 * high, 0.36 * high)


def _train(back: Back) -> None:
  """A rounded front: two windows, a white stripe, head lamps."""
  high = back.high
  back.panel(0.2, 0.5 * high, 0.8 * high, back.glass)
  back.panel(0.0, 0.24 * high, 0.36 * high, _WHITE)
  back.middle(0.06, 0.4 * high, high, _WHITE)


class Kind(NamedTuple):
  """What distinguishes one kind of vehicle from another; metres."""

  label: int
  wide: float
  high: tuple[float, float]  # bounds
  long: float
  windows: tuple[float, float]  # along the side, shares of the height
  pillar: float  # from one to the next
  draw: Callable[[Back], None]


KINDS = {
  'car': Kind(labels.CAR, 1.8, (1.4, 1.75), 4.2, (0.6, 0.9), 1.4, _car),
  # A truck has a plain cargo box.
  'truck': Kind(labels.TRUCK, 2.4, (2.8, 3.6), 8.0, (2.0, 2.0), 1.0, _truck),
  'bus': Kind(labels.BUS, 2.5, (2.9, 3.3), 11.0, (0.42, 0.82), 1.3, _bus),
  'train': Kind(labels.TRAIN, 2.7, (3.4, 3.9), 26.0, (0.45, 0.75), 2.4, _train),
}


def vehicle(kit: Kit, name: str, x: float, z: float) -> Thing:
  """A box on wheels, seen from behind and from the street's middle."""
  heights = {other: kit.uniform(KINDS[other].high) for other in KINDS}
  kind, high = KINDS[name], heights[name]
  color, glass = kit.color(name), kit.color('window')
  tyre = kit.color('tyre')
  left, right = x - kind.wide / 2, x + kind.wide / 2
  back = Back(kit.canvas, left, right, high, z, kind.label, glass)

  def paint() -> None:
    # The camera sees the side that faces it, unless it is right behind.
    if min(abs(left), abs(right)) > 0.2 and left * right > 0:
      inner = left if x > 0 else right
      lit = color * (kit.shade if x > 0 else 1.0)
      seen = kit.canvas.side(
        inner, (0.3, high), (z, z + kind.long), lit, kind.label
      )
      if seen is not None:
        _draw_side(back, name, seen)
    back.panel(0.0, 0.28, high, color * 0.92)
    for wheel in (left + 0.1, right - 0.32):
      kit.canvas.front((wheel, wheel + 0.22), (0, 0.45), z, tyre, kind.label)
    kind.draw(back)

  return z + kind.long / 2, paint


def _draw_side(back: Back, name: str, seen: tuple) -> None:
  """Windows between pillars, a train's stripe, a truck's ribs."""
  box, mask, distance, heights = seen
  image, high = back.canvas.image[box], back.high
  (low, top), pillar = KINDS[name].windows, KINDS[name].pillar
  panes = (heights > low * high) & (heights < top * high)
  panes &= (np.mod(distance - back.z, pillar) > 0.18 * pillar) & mask
  image[panes] = back.glass
  if name == 'train':
    stripe = (heights > 0.22 * high) & (heights < 0.34 * high) & mask
    image[stripe] = 0.92
  if name == 'truck':
    ribs = (np.mod(distance - back.z, 1.0) < 0.15) & mask
    image[ribs] *= np.float32(0.8)
