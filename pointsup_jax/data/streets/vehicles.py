"""Cars, trucks, buses and trains: boxes on wheels, with details."""

import numpy as np

from pointsup_jax.data.streets import labels
from pointsup_jax.data.streets.canvas import Canvas, rgb
from pointsup_jax.data.streets.kit import Kit, Thing


def vehicle(kit: Kit, kind: str, x: float, z: float) -> Thing:
  """A box on wheels, seen from behind and from the middle of the street."""
  label = {
    'car': labels.CAR,
    'truck': labels.TRUCK,
    'bus': labels.BUS,
    'train': labels.TRAIN,
  }[kind]
  wide, high, long = {
    'car': (1.8, kit.uniform((1.4, 1.75)), 4.2),
    'truck': (2.4, kit.uniform((2.8, 3.6)), 8.0),
    'bus': (2.5, kit.uniform((2.9, 3.3)), 11.0),
    'train': (2.7, kit.uniform((3.4, 3.9)), 26.0),
  }[kind]
  color, glass = kit.color(kind), kit.color('window')
  tyre = kit.color('tyre')
  left, right = x - wide / 2, x + wide / 2
  draw = {'car': _car, 'truck': _truck, 'bus': _bus, 'train': _train}[kind]

  def paint() -> None:
    canvas = kit.canvas
    inner = left if x > 0 else right
    # From right behind, the side is hidden.
    if min(abs(left), abs(right)) > 0.2 and left * right > 0:
      lit = color * (kit.shade if x > 0 else 1.0)
      seen = canvas.side(inner, (0.3, high), (z, z + long), lit, label)
      if seen is not None:
        _windows_along(canvas, seen, kind, high, z, glass)
    canvas.front((left, right), (0.28, high), z, color * 0.92, label)
    for wheel in (left + 0.1, right - 0.32):
      canvas.front((wheel, wheel + 0.22), (0, 0.45), z, tyre, label)
    draw(canvas, left, right, high, z, glass)

  return z + long / 2, paint


def _windows_along(
  canvas: Canvas,
  seen: tuple,
  kind: str,
  high: float,
  z: float,
  glass: np.ndarray,
) -> None:
  """Side windows between pillars; trucks have a plain cargo box."""
  box, mask, distance, heights = seen
  low, top = {
    'car': (0.6, 0.9),
    'truck': (2.0, 2.0),
    'bus': (0.42, 0.82),
    'train': (0.45, 0.75),
  }[kind]
  pillar = {'car': 1.4, 'truck': 1.0, 'bus': 1.3, 'train': 2.4}[kind]
  panes = (heights > low * high) & (heights < top * high)
  panes &= (np.mod(distance - z, pillar) > 0.18 * pillar) & mask
  canvas.image[box][panes] = glass
  if kind == 'train':
    stripe = (heights > 0.22 * high) & (heights < 0.34 * high) & mask
    canvas.image[box][stripe] = 0.92
  if kind == 'truck':
    ribs = (np.mod(distance - z, 1.0) < 0.15) & mask
    canvas.image[box][ribs] *= np.float32(0.8)


_RED = rgb(0.8, 0.05, 0.05)
_WHITE = rgb(0.92, 0.92, 0.88)


def _car(
  canvas: Canvas,
  left: float,
  right: float,
  high: float,
  z: float,
  glass: np.ndarray,
) -> None:
  """Rear window, tail lights, number plate."""
  canvas.front(
    (left + 0.25, right - 0.25),
    (0.62 * high, 0.92 * high),
    z,
    glass,
    labels.CAR,
  )
  for lamp in (left + 0.05, right - 0.3):
    canvas.front(
      (lamp, lamp + 0.25), (0.45 * high, 0.58 * high), z, _RED, labels.CAR
    )
  middle = (left + right) / 2
  canvas.front(
    (middle - 0.25, middle + 0.25),
    (0.3 * high, 0.4 * high),
    z,
    _WHITE,
    labels.CAR,
  )


def _truck(
  canvas: Canvas,
  left: float,
  right: float,
  high: float,
  z: float,
  glass: np.ndarray,
) -> None:
  """Two doors of a cargo box above a dark chassis."""
  dark = rgb(0.12, 0.12, 0.13)
  canvas.front((left, right), (0.3, 0.85), z, dark, labels.TRUCK)
  middle = (left + right) / 2
  canvas.front(
    (middle - 0.04, middle + 0.04), (0.85, high), z, dark, labels.TRUCK
  )
  for lamp in (left + 0.05, right - 0.3):
    canvas.front((lamp, lamp + 0.25), (0.6, 0.8), z, _RED, labels.TRUCK)


def _bus(
  canvas: Canvas,
  left: float,
  right: float,
  high: float,
  z: float,
  glass: np.ndarray,
) -> None:
  """One large window over the whole width, a display above it."""
  canvas.front(
    (left + 0.15, right - 0.15),
    (0.45 * high, 0.82 * high),
    z,
    glass,
    labels.BUS,
  )
  display = rgb(0.95, 0.6, 0.1)
  canvas.front(
    (left + 0.6, right - 0.6),
    (0.87 * high, 0.95 * high),
    z,
    display,
    labels.BUS,
  )
  for lamp in (left + 0.05, right - 0.25):
    canvas.front(
      (lamp, lamp + 0.2), (0.2 * high, 0.36 * high), z, _RED, labels.BUS
    )


def _train(
  canvas: Canvas,
  left: float,
  right: float,
  high: float,
  z: float,
  glass: np.ndarray,
) -> None:
  """A rounded front: two windows, a white stripe, head lamps."""
  canvas.front(
    (left + 0.2, right - 0.2), (0.5 * high, 0.8 * high), z, glass, labels.TRAIN
  )
  canvas.front(
    (left, right), (0.24 * high, 0.36 * high), z, _WHITE, labels.TRAIN
  )
  middle = (left + right) / 2
  canvas.front(
    (middle - 0.06, middle + 0.06), (0.4 * high, high), z, _WHITE, labels.TRAIN
  )
