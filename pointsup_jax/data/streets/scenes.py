"""A street: where its things stand and how each of them is drawn."""

import functools
import math
import zlib
from collections.abc import Callable

import numpy as np

from pointsup_jax.data.streets import looks
from pointsup_jax.data.streets.canvas import Canvas

(ROAD, SIDEWALK, BUILDING, WALL, FENCE, POLE, LIGHT, SIGN, VEGETATION, TERRAIN,
 SKY, PERSON, RIDER, CAR, TRUCK, BUS, TRAIN, MOTORCYCLE, BICYCLE) = range(19)  # fmt: skip
IGNORE = 255
_FAR = 110.0  # metres; the street ends there
_NEAR = 4.0

Thing = tuple[float, Callable[[], None]]  # distance, how to draw it


def render(
  look: str, split: str, index: int, seed: int, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
  """Draws a scene; the same arguments always give the same one.

  Args:
    look: 'game' or 'camera'.
    split: any name; different ones share no scene.
    index: of the scene in its split.
    seed: of the whole set.
    size: height and width in pixels; the layout does not depend on it.

  Returns:
    Image [H, W, 3] uint8, RGB, and labels [H, W] uint8, train ids of
    Cityscapes, 255 = ignore.
  """
  entropy = [zlib.crc32(look.encode()), zlib.crc32(split.encode()), seed, index]
  layout, pixels = np.random.SeedSequence(entropy).spawn(2)
  street = Street(look, np.random.default_rng(layout), size, pixels)
  street.draw()
  canvas = street.canvas
  image = looks.develop(look, canvas.image, canvas.depth, street.pixel_rng)
  return image, canvas.labels


@functools.lru_cache(maxsize=4)
def _pixel_centres(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
  """Rows [H, 1] and columns [1, W] of pixel centres, float32."""
  rows, cols = (np.arange(n, dtype=np.float32) + 0.5 for n in size)
  return rows[:, None], cols[None]


class Street:
  """One scene while it is being drawn."""

  def __init__(
    self,
    look: str,
    rng: np.random.Generator,
    size: tuple[int, int],
    pixels: np.random.SeedSequence,
  ) -> None:
    self.rng, self.look, self.name = rng, looks.LOOKS[look], look
    self.pixel_rng = np.random.default_rng(pixels)
    height, width = size
    self.noise = self.pixel_rng.random(size, np.float32)
    self.canvas = Canvas(
      image=np.empty((*size, 3), np.float32),
      labels=np.full(size, SKY, np.uint8),
      depth=np.full(size, 300.0, np.float32),
      focal=self.uniform(self.look.focal) * width,
      height=self.uniform(self.look.camera_height),
      horizon=self.uniform(self.look.horizon) * height,
      centre=(0.5 + rng.uniform(-0.08, 0.08)) * width,
    )
    self.road = self.uniform(self.look.road)
    self.kerb = self.road + self.uniform(self.look.sidewalk)
    self.verge = [
      rng.uniform(2.0, 6.0) if rng.random() < self.look.greenery else 0.0
      for _ in range(2)
    ]
    # Drawn at once: numbers one by one are slow.
    self.color_noise = rng.standard_normal((256, 4), np.float32)
    self.color_noise *= np.float32(self.look.color_spread)
    self.color_noise[:, 0] += 1
    self.color_noise[:, 1:] /= 3
    self.colors_taken = 0
    self.shade = rng.uniform(0.6, 0.9)  # of faces turned from the light

  # Small helpers -------------------------------------------------------------

  def uniform(self, bounds: tuple[float, float]) -> float:
    """A random number within bounds."""
    return bounds[0] + (bounds[1] - bounds[0]) * self.rng.random()

  def chance(self, probability: float) -> bool:
    """True with this probability."""
    return self.rng.random() < probability

  def color(self, name: str) -> np.ndarray:
    """One of the look's colours for a kind of thing, a little off."""
    choices = self.look.colors[name]
    color = choices[int(self.rng.random() * len(choices))]
    self.colors_taken += 1
    off = self.color_noise[self.colors_taken % len(self.color_noise)]
    return color * off[0] + off[1:]

  # The whole -----------------------------------------------------------------

  def draw(self) -> None:
    """Sky and ground, then all things from far to near, then the bonnet."""
    self.draw_sky()
    self.draw_ground()
    self.draw_skyline()
    things: list[Thing] = []
    for side in (-1, 1):
      things += self.street_front(side) + self.furniture(side)
      things += self.pavement_life(side)
    things += self.traffic()
    things.sort(key=lambda thing: -thing[0])
    for _, paint in things:
      paint()
    self.draw_bonnet()

  def draw_sky(self) -> None:
    """A gradient over everything."""
    rows, _ = _pixel_centres(self.canvas.labels.shape)
    height = np.clip(rows / max(self.canvas.horizon, 1), 0, 1)[..., None]
    low, high = np.float32(1.0), self.color('sky')
    self.canvas.image[:] = high + (low - high) * np.float32(0.6) * height**2
    if self.chance(0.5):
      self.canvas.image += np.float32(0.03) * (self.noise[..., None] - 0.5)

  def draw_ground(self) -> None:
    """Road with its markings, sidewalks and verges."""
    canvas = self.canvas
    rows, cols = _pixel_centres(canvas.labels.shape)
    start = max(math.ceil(canvas.horizon), 0)
    below = np.maximum(rows[start:] - canvas.horizon, 0.25)
    z = (canvas.focal * canvas.height) / below  # [h, 1]
    x = (cols - canvas.centre) * (z / canvas.focal)  # [h, W]
    away = np.abs(x)
    limit = np.where(x < 0, *(np.float32(self.kerb + v) for v in self.verge))
    beyond = [TERRAIN if v else SIDEWALK for v in self.verge]
    labels = np.where(away < self.kerb, SIDEWALK, TERRAIN)
    labels[away < self.road] = ROAD
    labels[away > limit] = np.where(x < 0, *beyond)[away > limit]
    paint = np.zeros((19, 3), np.float32)
    for label, name in ((ROAD, 'road'), (SIDEWALK, 'sidewalk'), (TERRAIN, 'terrain')):
      paint[label] = self.color(name)
    image = paint[labels]
    self.draw_markings(image, x, z)
    rough = 0.06 if self.name == 'game' else 0.16
    grain = 1 + np.float32(rough) * (self.noise[start:] - np.float32(0.5))
    if self.name == 'camera':
      grain *= self.ground_shadows(x, z)
    kerb = np.abs(away - self.road) < 0.12
    grain[kerb] *= np.float32(1.15 if self.name == 'game' else 0.85)
    canvas.image[start:] = image * grain[..., None]
    canvas.labels[start:] = labels
    canvas.depth[start:] = z

  def draw_markings(
    self, image: np.ndarray, x: np.ndarray, z: np.ndarray
  ) -> None:
    """Dashed lanes, solid edges, sometimes a crossing."""
    lanes = 1 if self.road < 4.5 else 2
    thick = np.maximum(0.08, 0.6 * z / self.canvas.focal)
    dashed = np.mod(z + self.uniform((0, 6)), 6) < 3
    lines = np.zeros(x.shape, bool)
    for lane in range(-lanes + 1, lanes):
      lines |= (np.abs(x - lane * self.road / lanes) < thick) & dashed
    if self.chance(0.6):
      lines |= np.abs(np.abs(x) - self.road + 0.4) < thick
    if self.chance(0.25):
      at = self.uniform((8, 20))
      stripes = np.mod(x, 1.2) < 0.6
      lines |= (np.abs(z - at) < 1.5) & stripes & (np.abs(x) < self.road)
    image[lines] = self.color('marking')

  def ground_shadows(self, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Soft shadows of what stands beside the street: a factor [h, W]."""
    edge = self.uniform((-self.kerb, self.kerb))
    slope = self.uniform((-0.1, 0.1))
    side = self.rng.choice([-1.0, 1.0])
    depth = np.clip(side * (x - edge - slope * z) / 1.5 + 0.5, 0, 1)
    depth *= 0.7 + 0.3 * np.sin(z * self.uniform((0.3, 0.8)))
    return (1 - self.uniform((0.1, 0.5)) * depth).astype(np.float32)

  def draw_skyline(self) -> None:
    """Distant houses and trees where the street ends."""
    canvas = self.canvas
    span = canvas.labels.shape[1] / canvas.focal * 150
    x = -span
    while x < span:
      width = self.uniform((10, 35))
      if self.chance(self.look.greenery):
        y = (0.0, self.uniform((6, 12)))
        canvas.front((x, x + width), y, 150, self.color('vegetation'), VEGETATION)
      else:
        y = (0.0, self.uniform((6, 26)))
        canvas.front((x, x + width), y, 150, self.color('building'), BUILDING)
      x += width

  def draw_bonnet(self) -> None:
    """The ego car's bonnet at the lower edge; nobody labels it."""
    canvas = self.canvas
    if not self.chance(0.5):
      return
    height, width = canvas.labels.shape
    top = self.uniform((0.02, 0.06)) * height
    cols = np.linspace(-1, 1, width, dtype=np.float32)
    rows = height - np.arange(height - math.ceil(top), height) - 0.5
    inside = rows[:, None] < top * (1 - cols**2) * 1.2
    area = slice(height - len(rows), height)
    canvas.image[area][inside] = self.color('bonnet')
    canvas.labels[area][inside] = IGNORE
    canvas.depth[area][inside] = 1.0

  # Things, each a distance and a function that draws it ------------------------

  def street_front(self, side: int) -> list[Thing]:
    """Houses, gaps with trees, and walls, fences or hedges before them."""
    things: list[Thing] = []
    line = self.kerb + self.verge[side > 0]
    z = self.uniform((-8, 4))
    while z < _FAR:
      length = self.uniform((9, 24))
      if self.chance(0.82 - 0.3 * self.look.greenery):
        things.append(self.house(side, line + self.uniform((0, 2.5)), z, length))
      else:
        for _ in range(4):
          x = side * (line + self.uniform((2, 9)))
          things.append(self.tree(x, z + self.uniform((1, length)), 1.3))
      if self.chance(0.5):
        kind = ('wall', 'fence', 'hedge')[self.rng.integers(3)]
        things.append(self.barrier(kind, side * (line - 0.1), z, length))
      z += length
    return things

  def house(self, side: int, x: float, z: float, length: float) -> Thing:
    """A facade along the street with rows of windows, and its gable."""
    height, color = self.uniform((5, 20)), self.color('building')
    window = self.color('window')
    pitch = self.uniform((2.2, 3.6))
    lit = self.shade if side > 0 else 1.0
    end = z + length

    def paint() -> None:
      canvas = self.canvas
      near = max(z, 0.5)
      if end <= near:
        return
      gable = tuple(sorted((side * x, side * (x + 14))))
      if near > 2:
        canvas.front(gable, (0, height), near, color * (1.6 - self.shade), BUILDING)
      seen = canvas.side(side * x, (0, height), (near, end), color * lit, BUILDING)
      if seen is None:
        return
      box, mask, distance, heights = seen
      panes = (np.mod(distance - z, pitch) < 0.5 * pitch) & (
        np.mod(heights, 3.0) > 1.3
      )
      panes &= mask & (heights < height - 0.6)
      canvas.image[box][panes] = window * lit

    return end, paint

  def barrier(self, kind: str, x: float, z: float, length: float) -> Thing:
    """A wall, a fence or a hedge along the street."""
    label = {'wall': WALL, 'fence': FENCE, 'hedge': VEGETATION}[kind]
    color = self.color('vegetation' if kind == 'hedge' else kind)
    top = self.uniform((1.2, 2.6) if kind == 'wall' else (0.9, 1.6))
    end = z + length

    def paint() -> None:
      if end <= 1:
        return
      seen = self.canvas.side(x, (0, top), (max(z, 1.0), end), color, label)
      if seen is None:
        return
      box, mask, distance, heights = seen
      if kind == 'wall':
        marks = (np.mod(heights, 0.5) < 0.08) & mask
        self.canvas.image[box][marks] *= np.float32(0.75)
      elif kind == 'fence':
        marks = (np.mod(distance, 0.8) < 0.3) & mask
        self.canvas.image[box][marks] *= np.float32(0.45)
      else:
        shade = 0.7 + 0.6 * self.noise[box][mask]
        self.canvas.image[box][mask] *= shade[:, None]

    return end - 0.5, paint

  def tree(self, x: float, z: float, scale: float = 1.0) -> Thing:
    """A trunk and a crown of leaves; both are vegetation."""
    height = scale * self.uniform((4.5, 8))
    width = scale * self.uniform((1.4, 2.6))
    color = self.color('vegetation')

    def paint() -> None:
      trunk = np.float32((0.3, 0.22, 0.15))
      self.canvas.front((x - 0.15, x + 0.15), (0, 0.5 * height), z, trunk, VEGETATION)
      crown = (0.35 * height, height)
      self.canvas.ellipse(
        (x - width, x + width), crown, z, color, VEGETATION, self.noise
      )

    return z, paint

  def furniture(self, side: int) -> list[Thing]:
    """Street trees, lamp posts, traffic lights and signs at the kerb."""
    things: list[Thing] = []
    z = self.uniform((6, 14))
    while z < 55:
      x = side * (self.road + self.uniform((0.3, 0.9)))
      if self.chance(0.45 * self.look.greenery):
        things.append(self.tree(x + side * 0.8, z))
      elif self.chance(0.85):
        things.append(self.post(x, z, side))
      z += self.uniform((4, 12))
    return things

  def post(self, x: float, z: float, side: int) -> Thing:
    """A pole with nothing, traffic lights or signs on it."""
    height, color = self.uniform((3.0, 6.5)), self.color('pole')
    has_light, has_sign = self.chance(0.45), self.chance(0.5)
    light, sign = self.color('light'), self.color('sign')
    lamp = np.float32([(0.95, 0.1, 0.1), (0.1, 0.9, 0.3)][self.rng.integers(2)])
    shape, low = self.rng.integers(2), self.uniform((2.0, 2.6))

    def paint() -> None:
      canvas = self.canvas
      canvas.front((x - 0.09, x + 0.09), (0, height), z, color, POLE)
      if has_light:
        at = (height - 1.3, height)
        canvas.front((x - 0.28, x + 0.28), at, z, light, LIGHT)
        canvas.ellipse((x - 0.16, x + 0.16), (height - 0.45, height - 0.1), z, lamp, LIGHT)
      if has_sign:
        area = (x - 0.5, x + 0.5), (low, low + 1.0)
        if shape:
          canvas.ellipse(*area, z, sign, SIGN)
        else:
          canvas.front(*area, z, sign, SIGN)
        inner = (x - 0.25, x + 0.25), (low + 0.35, low + 0.65)
        canvas.front(*inner, z, np.float32((0.95, 0.95, 0.95)), SIGN)

    return z, paint

  def pavement_life(self, side: int) -> list[Thing]:
    """Persons, parked bicycles and parked cars on one side."""
    things: list[Thing] = []
    for _ in range(self.rng.poisson(2.2)):
      x = side * self.uniform((self.road + 0.3, self.kerb))
      things.append(self.person(x, self.uniform((4.5, 28))))
    if self.chance(0.3):
      x = side * (self.road + self.uniform((0.4, 1.4)))
      kind = 'bicycle' if self.chance(0.6) else 'motorcycle'
      things.append(self.two_wheeler(kind, x, self.uniform((5, 18)), False))
    z = self.uniform((5, 10))
    while z < 60:
      if self.chance(self.look.parked):
        x = side * (self.road - 1.1)
        things.append(self.vehicle('car', x, z))
      z += self.uniform((5.5, 9))
    return things

  def person(self, x: float, z: float) -> Thing:
    """Legs, torso, arms and head."""
    h = self.uniform((1.5, 1.9))
    top, legs, skin = self.color('clothes'), self.color('clothes'), self.color('skin')
    w, stride = self.uniform((0.2, 0.28)), self.uniform((0.02, 0.14))

    def paint() -> None:
      front = self.canvas.front
      front((x - stride - 0.1, x - stride + 0.08), (0, 0.48 * h), z, legs, PERSON)
      front((x + stride - 0.08, x + stride + 0.1), (0, 0.48 * h), z, legs, PERSON)
      front((x - w, x + w), (0.45 * h, 0.84 * h), z, top, PERSON)
      self.canvas.ellipse((x - 0.13, x + 0.13), (0.84 * h, h), z, skin, PERSON)

    return z, paint

  def two_wheeler(self, kind: str, x: float, z: float, ridden: bool) -> Thing:
    """A bicycle or motorcycle seen from the side, with or without its rider."""
    motor = kind == 'motorcycle'
    label = MOTORCYCLE if motor else BICYCLE
    frame, tyre = self.color('motor' if motor else 'cycle'), self.color('tyre')
    top, legs, skin = self.color('clothes'), self.color('clothes'), self.color('skin')
    half, r = (0.8, 0.33) if motor else (0.75, 0.36)
    lean = self.rng.choice([-1, 1])

    def paint() -> None:
      canvas = self.canvas
      for wheel in (x - half + r, x + half - r):
        canvas.ellipse((wheel - r, wheel + r), (0, 2 * r), z, tyre, label)
        if not motor:
          spokes = frame + np.float32(0.35)
          canvas.ellipse((wheel - 0.7 * r, wheel + 0.7 * r), (0.3 * r, 1.7 * r), z, spokes, label)
      if motor:
        canvas.front((x - 0.5, x + 0.5), (0.4, 0.95), z, frame, label)
        canvas.front((x + lean * 0.45 - 0.1, x + lean * 0.45 + 0.1), (0.7, 1.25), z, frame, label)
      else:
        canvas.front((x - 0.4, x + 0.4), (0.55, 0.68), z, frame, label)
        canvas.front((x + lean * 0.4 - 0.05, x + lean * 0.4 + 0.05), (0.5, 1.1), z, frame, label)
      if ridden:
        canvas.front((x - 0.14, x + 0.14), (0.45, 1.0), z, legs, RIDER)
        canvas.front((x - 0.24, x + 0.24), (0.95, 1.55), z, top, RIDER)
        canvas.ellipse((x - 0.15, x + 0.15), (1.5, 1.85), z, skin, RIDER)

    return z, paint

  def traffic(self) -> list[Thing]:
    """What drives on the road, and a train now and then."""
    things: list[Thing] = []
    lanes = (-0.5, 0.5) if self.road < 4.5 else (-0.7, -0.3, 0.3, 0.7)
    for lane in lanes:
      z = self.uniform((6, 25))
      while z < 70:
        kind = self.rng.choice(
          ['car', 'truck', 'bus', 'rider', 'none'], p=[0.36, 0.13, 0.12, 0.2, 0.19]
        )
        x = lane * self.road
        if kind == 'rider':
          cycle = 'motorcycle' if self.chance(0.45) else 'bicycle'
          things.append(self.two_wheeler(cycle, x, min(z, 24), True))
        elif kind != 'none':
          things.append(self.vehicle(str(kind), x, z))
        z += self.uniform((12, 30))
    if self.chance(0.22):
      side = self.rng.choice([-1, 1])
      x = side * (self.road - 1.6)
      things.append(self.vehicle('train', x, self.uniform((6, 22))))
    if self.chance(0.5):
      x = self.uniform((-self.road, self.road))
      things.append(self.person(x, self.uniform((8, 25))))
    return things

  def vehicle(self, kind: str, x: float, z: float) -> Thing:
    """A box on wheels, seen from behind and from the street's middle."""
    label = {'car': CAR, 'truck': TRUCK, 'bus': BUS, 'train': TRAIN}[kind]
    wide, high, long = {
      'car': (1.8, self.uniform((1.4, 1.75)), 4.2),
      'truck': (2.4, self.uniform((2.8, 3.6)), 8.0),
      'bus': (2.5, self.uniform((2.9, 3.3)), 11.0),
      'train': (2.7, self.uniform((3.4, 3.9)), 26.0),
    }[kind]
    color, glass = self.color(kind), self.color('window')
    tyre = self.color('tyre')
    left, right = x - wide / 2, x + wide / 2
    draw = {'car': _car, 'truck': _truck, 'bus': _bus, 'train': _train}[kind]

    def paint() -> None:
      canvas = self.canvas
      inner = left if x > 0 else right
      # The camera sees the side that faces it, unless it is right behind.
      if min(abs(left), abs(right)) > 0.2 and left * right > 0:
        lit = color * (self.shade if x > 0 else 1.0)
        seen = canvas.side(inner, (0.3, high), (z, z + long), lit, label)
        if seen is not None:
          _windows_along(canvas, seen, kind, high, z, glass)
      canvas.front((left, right), (0.28, high), z, color * 0.92, label)
      for wheel in (left + 0.1, right - 0.32):
        canvas.front((wheel, wheel + 0.22), (0, 0.45), z, tyre, label)
      draw(canvas, left, right, high, z, glass)

    return z + long / 2, paint


def _windows_along(canvas: Canvas, seen, kind: str, high, z, glass) -> None:
  """Side windows: a band, cut by pillars; trucks have a plain cargo box."""
  box, mask, distance, heights = seen
  low, top = {
    'car': (0.6, 0.9), 'truck': (2.0, 2.0), 'bus': (0.42, 0.82), 'train': (0.45, 0.75),
  }[kind]  # fmt: skip
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


_RED = np.float32((0.8, 0.05, 0.05))
_WHITE = np.float32((0.92, 0.92, 0.88))


def _car(canvas: Canvas, left, right, high, z, glass) -> None:
  """Rear window, tail lights, number plate."""
  canvas.front((left + 0.25, right - 0.25), (0.62 * high, 0.92 * high), z, glass, CAR)
  for lamp in (left + 0.05, right - 0.3):
    canvas.front((lamp, lamp + 0.25), (0.45 * high, 0.58 * high), z, _RED, CAR)
  middle = (left + right) / 2
  canvas.front((middle - 0.25, middle + 0.25), (0.3 * high, 0.4 * high), z, _WHITE, CAR)


def _truck(canvas: Canvas, left, right, high, z, glass) -> None:
  """Two doors of a cargo box above a dark chassis."""
  dark = np.float32((0.12, 0.12, 0.13))
  canvas.front((left, right), (0.3, 0.85), z, dark, TRUCK)
  middle = (left + right) / 2
  canvas.front((middle - 0.04, middle + 0.04), (0.85, high), z, dark, TRUCK)
  for lamp in (left + 0.05, right - 0.3):
    canvas.front((lamp, lamp + 0.25), (0.6, 0.8), z, _RED, TRUCK)


def _bus(canvas: Canvas, left, right, high, z, glass) -> None:
  """One large window over the whole width, a display above it."""
  canvas.front((left + 0.15, right - 0.15), (0.45 * high, 0.82 * high), z, glass, BUS)
  display = np.float32((0.95, 0.6, 0.1))
  canvas.front((left + 0.6, right - 0.6), (0.87 * high, 0.95 * high), z, display, BUS)
  for lamp in (left + 0.05, right - 0.25):
    canvas.front((lamp, lamp + 0.2), (0.2 * high, 0.36 * high), z, _RED, BUS)


def _train(canvas: Canvas, left, right, high, z, glass) -> None:
  """A rounded front: two windows, a white stripe, head lamps."""
  canvas.front((left + 0.2, right - 0.2), (0.5 * high, 0.8 * high), z, glass, TRAIN)
  canvas.front((left, right), (0.24 * high, 0.36 * high), z, _WHITE, TRAIN)
  middle = (left + right) / 2
  canvas.front((middle - 0.06, middle + 0.06), (0.4 * high, high), z, _WHITE, TRAIN)
