"""Things that stand or move along a street."""

import numpy as np

from pointsup_jax.data.streets import labels
from pointsup_jax.data.streets.canvas import about, rgb
from pointsup_jax.data.streets.kit import Kit, Thing


def house(kit: Kit, side: int, x: float, z: float, length: float) -> Thing:
  """A facade along the street with rows of windows, and its gable."""
  height, color = kit.uniform((5, 20)), kit.color('building')
  window = kit.color('window')
  pitch = kit.uniform((2.2, 3.6))
  lit = kit.shade if side > 0 else 1.0
  end = z + length

  def paint() -> None:
    canvas = kit.canvas
    near = max(z, 0.5)
    if end <= near:
      return
    gable = (min(side * x, side * (x + 14)), max(side * x, side * (x + 14)))
    if near > 2:
      canvas.front(
        gable, (0, height), near, color * (1.6 - kit.shade), labels.BUILDING
      )
    seen = canvas.side(
      side * x, (0, height), (near, end), color * lit, labels.BUILDING
    )
    if seen is None:
      return
    box, mask, distance, heights = seen
    panes = (np.mod(distance - z, pitch) < 0.5 * pitch) & (
      np.mod(heights, 3.0) > 1.3
    )
    panes &= mask & (heights < height - 0.6)
    canvas.image[box][panes] = window * lit

  return end, paint


def barrier(kit: Kit, kind: str, x: float, z: float, length: float) -> Thing:
  """A wall, a fence or a hedge along the street."""
  of_kind = {'wall': labels.WALL, 'fence': labels.FENCE}
  label = of_kind.get(kind, labels.VEGETATION)
  color = kit.color('vegetation' if kind == 'hedge' else kind)
  top = kit.uniform((1.2, 2.6) if kind == 'wall' else (0.9, 1.6))
  end = z + length

  def paint() -> None:
    if end <= 1:
      return
    seen = kit.canvas.side(x, (0, top), (max(z, 1.0), end), color, label)
    if seen is None:
      return
    box, mask, distance, heights = seen
    if kind == 'wall':
      marks = (np.mod(heights, 0.5) < 0.08) & mask
      kit.canvas.image[box][marks] *= np.float32(0.75)
    elif kind == 'fence':
      marks = (np.mod(distance, 0.8) < 0.3) & mask
      kit.canvas.image[box][marks] *= np.float32(0.45)
    else:
      shade = 0.7 + 0.6 * kit.noise[box][mask]
      kit.canvas.image[box][mask] *= shade[:, None]

  return end - 0.5, paint


def tree(kit: Kit, x: float, z: float, scale: float = 1.0) -> Thing:
  """A trunk and a crown of leaves; both are vegetation."""
  height = scale * kit.uniform((4.5, 8))
  width = scale * kit.uniform((1.4, 2.6))
  color = kit.color('vegetation')

  def paint() -> None:
    trunk = rgb(0.3, 0.22, 0.15)
    kit.canvas.front(
      about(x, 0.15), (0, 0.5 * height), z, trunk, labels.VEGETATION
    )
    crown = (0.35 * height, height)
    kit.canvas.ellipse(
      about(x, width), crown, z, color, labels.VEGETATION, kit.noise
    )

  return z, paint


def post(kit: Kit, x: float, z: float, side: int) -> Thing:
  """A pole, which may have a traffic light and a sign."""
  height, color = kit.uniform((3.0, 6.5)), kit.color('pole')
  has_light, has_sign = kit.chance(0.45), kit.chance(0.5)
  light, sign = kit.color('light'), kit.color('sign')
  lamp = rgb(*((0.95, 0.1, 0.1), (0.1, 0.9, 0.3))[kit.rng.integers(2)])
  shape, low = kit.rng.integers(2), kit.uniform((2.0, 2.6))

  def paint() -> None:
    canvas = kit.canvas
    canvas.front(about(x, 0.09), (0, height), z, color, labels.POLE)
    if has_light:
      at = (height - 1.3, height)
      canvas.front(about(x, 0.28), at, z, light, labels.LIGHT)
      at = (height - 0.45, height - 0.1)
      canvas.ellipse(about(x, 0.16), at, z, lamp, labels.LIGHT)
    if has_sign:
      area = about(x, 0.5), (low, low + 1.0)
      if shape:
        canvas.ellipse(*area, z, sign, labels.SIGN)
      else:
        canvas.front(*area, z, sign, labels.SIGN)
      inner = about(x, 0.25), (low + 0.35, low + 0.65)
      canvas.front(*inner, z, rgb(0.95, 0.95, 0.95), labels.SIGN)

  return z, paint


def person(kit: Kit, x: float, z: float) -> Thing:
  """Legs, torso, arms and head."""
  h = kit.uniform((1.5, 1.9))
  top, legs, skin = map(kit.color, ('clothes', 'clothes', 'skin'))
  w, stride = kit.uniform((0.2, 0.28)), kit.uniform((0.02, 0.14))

  def paint() -> None:
    front = kit.canvas.front
    for leg in (
      (x - stride - 0.1, x - stride + 0.08),
      (x + stride - 0.08, x + stride + 0.1),
    ):
      front(leg, (0, 0.48 * h), z, legs, labels.PERSON)
    front(about(x, w), (0.45 * h, 0.84 * h), z, top, labels.PERSON)
    kit.canvas.ellipse(about(x, 0.13), (0.84 * h, h), z, skin, labels.PERSON)

  return z, paint


def two_wheeler(
  kit: Kit, kind: str, x: float, z: float, *, ridden: bool
) -> Thing:
  """A bicycle or motorcycle seen from the side, with or without its rider."""
  motor = kind == 'motorcycle'
  label = labels.MOTORCYCLE if motor else labels.BICYCLE
  frame, tyre = kit.color('motor' if motor else 'cycle'), kit.color('tyre')
  top, legs, skin = map(kit.color, ('clothes', 'clothes', 'skin'))
  half, r = (0.8, 0.33) if motor else (0.75, 0.36)
  lean = kit.rng.choice([-1, 1])

  def paint() -> None:
    canvas = kit.canvas
    for wheel in (x - half + r, x + half - r):
      canvas.ellipse(about(wheel, r), (0, 2 * r), z, tyre, label)
      if not motor:
        spokes, y = frame + np.float32(0.35), (0.3 * r, 1.7 * r)
        canvas.ellipse(about(wheel, 0.7 * r), y, z, spokes, label)
    if motor:
      canvas.front(about(x, 0.5), (0.4, 0.95), z, frame, label)
      bars = about(x + lean * 0.45, 0.1)
      canvas.front(bars, (0.7, 1.25), z, frame, label)
    else:
      canvas.front(about(x, 0.4), (0.55, 0.68), z, frame, label)
      bars = about(x + lean * 0.4, 0.05)
      canvas.front(bars, (0.5, 1.1), z, frame, label)
    if ridden:
      canvas.front(about(x, 0.14), (0.45, 1.0), z, legs, labels.RIDER)
      canvas.front(about(x, 0.24), (0.95, 1.55), z, top, labels.RIDER)
      canvas.ellipse(about(x, 0.15), (1.5, 1.85), z, skin, labels.RIDER)

  return z, paint
