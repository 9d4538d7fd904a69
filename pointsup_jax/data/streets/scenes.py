"""Lays out and renders street scenes."""

import functools
import math
import zlib

import numpy as np

from pointsup_jax.data.streets import labels, looks, things, vehicles
from pointsup_jax.data.streets.canvas import Canvas
from pointsup_jax.data.streets.kit import Kit, Thing

_FAR = 110.0  # metres; end of the street
_FARTHEST = 65535  # in files of depth


def render(
  look: str, split: str, index: int, seed: int, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
  """Renders a scene; the same arguments always give the same one.

  Args:
    look: 'game' or 'camera'.
    split: any name; splits share no scene.
    index: index of the scene in its split.
    seed: seed of the whole set.
    size: (height, width) in pixels; the layout does not depend on it.

  Returns:
    Image [H, W, 3] uint8, RGB, and labels [H, W] uint8, train ids of
    Cityscapes, 255 = ignore.
  """
  image, canvas = draw(look, split, index, seed, size)
  return image, canvas.labels


def draw(
  look: str, split: str, index: int, seed: int, size: tuple[int, int]
) -> tuple[np.ndarray, Canvas]:
  """The image of `render`, and what it was made from."""
  entropy = [zlib.crc32(look.encode()), zlib.crc32(split.encode()), seed, index]
  layout, pixels = np.random.SeedSequence(entropy).spawn(2)
  kit = Kit(looks.LOOKS[look], size, layout, pixels)
  Street(kit).draw()
  canvas = kit.canvas
  image = looks.develop(kit.look, canvas.image, canvas.depth, kit.pixel_rng)
  return image, canvas


def centimetres(canvas: Canvas) -> np.ndarray:
  """The depth of a scene as SYNTHIA has it: [H, W] uint16, sky is 65535."""
  depth = np.minimum(np.rint(100 * canvas.depth), _FARTHEST - 1)
  return np.where(canvas.labels == labels.SKY, _FARTHEST, depth).astype(
    np.uint16
  )


@functools.lru_cache(maxsize=4)
def _pixel_centres(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
  """Rows [H, 1] and columns [1, W] of pixel centres, float32."""
  rows, cols = (np.arange(n, dtype=np.float32) + 0.5 for n in size)
  return rows[:, None], cols[None]


class Street:
  """The layout of one scene, and its drawing."""

  def __init__(self, kit: Kit) -> None:
    self.kit, look = kit, kit.look
    self.road = kit.uniform(look.road)
    self.kerb = self.road + kit.uniform(look.sidewalk)
    self.verge = [
      kit.uniform((2.0, 6.0)) if kit.chance(look.greenery) else 0.0
      for _ in range(2)
    ]

  def draw(self) -> None:
    """Draws the background, then things from far to near, then the bonnet."""
    self.draw_sky()
    self.draw_ground()
    self.draw_skyline()
    found: list[Thing] = []
    for side in (-1, 1):
      found += self.street_front(side) + self.furniture(side)
      found += self.pavement_life(side)
    found += self.traffic()
    found.sort(key=lambda thing: -thing[0])
    for _, paint in found:
      paint()
    self.draw_bonnet()

  def draw_sky(self) -> None:
    """Fills the image with a gradient."""
    rows, _ = _pixel_centres(self.kit.canvas.labels.shape)
    height = np.clip(rows / max(self.kit.canvas.horizon, 1), 0, 1)[..., None]
    low, high = np.float32(1.0), self.kit.color('sky')
    self.kit.canvas.image[:] = high + (low - high) * np.float32(0.6) * height**2
    if self.kit.chance(0.5):
      noise = self.kit.noise[..., None] - 0.5
      self.kit.canvas.image += np.float32(0.03) * noise

  def draw_ground(self) -> None:
    """Draws the road with its markings, sidewalks and verges."""
    canvas = self.kit.canvas
    rows, cols = _pixel_centres(canvas.labels.shape)
    start = max(math.ceil(canvas.horizon), 0)
    below = np.maximum(rows[start:] - canvas.horizon, 0.25)
    z = (canvas.focal * canvas.height) / below  # [h, 1]
    x = (cols - canvas.centre) * (z / canvas.focal)  # [h, W]
    away = np.abs(x)
    limit = np.where(x < 0, *(np.float32(self.kerb + v) for v in self.verge))
    beyond = [labels.TERRAIN if v else labels.SIDEWALK for v in self.verge]
    ground = np.where(away < self.kerb, labels.SIDEWALK, labels.TERRAIN)
    ground[away < self.road] = labels.ROAD
    ground[away > limit] = np.where(x < 0, *beyond)[away > limit]
    paint = np.zeros((19, 3), np.float32)
    paint[labels.ROAD] = self.kit.color('road')
    paint[labels.SIDEWALK] = self.kit.color('sidewalk')
    paint[labels.TERRAIN] = self.kit.color('terrain')
    image = paint[ground]
    self.draw_markings(image, x, z)
    rough = 0.06 if not self.kit.look.is_camera else 0.16
    grain = 1 + np.float32(rough) * (self.kit.noise[start:] - np.float32(0.5))
    if self.kit.look.is_camera:
      grain *= self.ground_shadows(x, z)
    kerb = np.abs(away - self.road) < 0.12
    grain[kerb] *= np.float32(1.15 if not self.kit.look.is_camera else 0.85)
    canvas.image[start:] = image * grain[..., None]
    canvas.labels[start:] = ground
    canvas.depth[start:] = z

  def draw_markings(
    self, image: np.ndarray, x: np.ndarray, z: np.ndarray
  ) -> None:
    """Draws dashed lanes, solid edges and sometimes a crossing."""
    lanes = 1 if self.road < 4.5 else 2
    thick = np.maximum(0.08, 0.6 * z / self.kit.canvas.focal)
    dashed = np.mod(z + self.kit.uniform((0, 6)), 6) < 3
    lines = np.zeros(x.shape, bool)
    for lane in range(-lanes + 1, lanes):
      lines |= (np.abs(x - lane * self.road / lanes) < thick) & dashed
    if self.kit.chance(0.6):
      lines |= np.abs(np.abs(x) - self.road + 0.4) < thick
    if self.kit.chance(0.25):
      at = self.kit.uniform((8, 20))
      stripes = np.mod(x, 1.2) < 0.6
      lines |= (np.abs(z - at) < 1.5) & stripes & (np.abs(x) < self.road)
    image[lines] = self.kit.color('marking')

  def ground_shadows(self, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Returns soft shadows on the ground as a brightness factor [h, W]."""
    edge = self.kit.uniform((-self.kerb, self.kerb))
    slope = self.kit.uniform((-0.1, 0.1))
    side = self.kit.rng.choice([-1.0, 1.0])
    depth = np.clip(side * (x - edge - slope * z) / 1.5 + 0.5, 0, 1)
    depth *= 0.7 + 0.3 * np.sin(z * self.kit.uniform((0.3, 0.8)))
    return (1 - self.kit.uniform((0.1, 0.5)) * depth).astype(np.float32)

  def draw_skyline(self) -> None:
    """Draws distant houses and trees where the street ends."""
    canvas = self.kit.canvas
    span = canvas.labels.shape[1] / canvas.focal * 150
    x = -span
    while x < span:
      width = self.kit.uniform((10, 35))
      name, label, highest = 'building', labels.BUILDING, 26
      if self.kit.chance(self.kit.look.greenery):
        name, label, highest = 'vegetation', labels.VEGETATION, 12
      y = (0.0, self.kit.uniform((6, highest)))
      canvas.front((x, x + width), y, 150, self.kit.color(name), label)
      x += width

  def draw_bonnet(self) -> None:
    """Sometimes draws the ego car's bonnet, labelled 255, at the lower edge."""
    canvas = self.kit.canvas
    if not self.kit.chance(0.5):
      return
    height, width = canvas.labels.shape
    top = self.kit.uniform((0.02, 0.06)) * height
    cols = np.linspace(-1, 1, width, dtype=np.float32)
    rows = height - np.arange(height - math.ceil(top), height) - 0.5
    inside = rows[:, None] < top * (1 - cols**2) * 1.2
    area = slice(height - len(rows), height)
    canvas.image[area][inside] = self.kit.color('bonnet')
    canvas.labels[area][inside] = labels.IGNORE
    canvas.depth[area][inside] = 1.0

  def street_front(self, side: int) -> list[Thing]:
    """Places houses or trees, and walls, fences or hedges in front of them."""
    found: list[Thing] = []
    line = self.kerb + self.verge[side > 0]
    z = self.kit.uniform((-8, 4))
    while z < _FAR:
      length = self.kit.uniform((9, 24))
      if self.kit.chance(0.82 - 0.3 * self.kit.look.greenery):
        x = line + self.kit.uniform((0, 2.5))
        found.append(things.house(self.kit, side, x, z, length))
      else:
        for _ in range(4):
          x = side * (line + self.kit.uniform((2, 9)))
          there = z + self.kit.uniform((1, length))
          found.append(things.tree(self.kit, x, there, 1.3))
      if self.kit.chance(0.5):
        kind = ('wall', 'fence', 'hedge')[self.kit.rng.integers(3)]
        x = side * (line - 0.1)
        found.append(things.barrier(self.kit, kind, x, z, length))
      z += length
    return found

  def furniture(self, side: int) -> list[Thing]:
    """Places street trees, lamp posts, traffic lights and signs at the kerb."""
    found: list[Thing] = []
    z = self.kit.uniform((6, 14))
    while z < 55:
      x = side * (self.road + self.kit.uniform((0.3, 0.9)))
      if self.kit.chance(0.45 * self.kit.look.greenery):
        found.append(things.tree(self.kit, x + side * 0.8, z))
      elif self.kit.chance(0.85):
        found.append(things.post(self.kit, x, z, side))
      z += self.kit.uniform((4, 12))
    return found

  def pavement_life(self, side: int) -> list[Thing]:
    """Places pedestrians, parked two-wheelers and parked cars on one side."""
    found: list[Thing] = []
    for _ in range(self.kit.rng.poisson(2.2)):
      x = side * self.kit.uniform((self.road + 0.3, self.kerb))
      found.append(things.person(self.kit, x, self.kit.uniform((4.5, 28))))
    if self.kit.chance(0.3):
      x = side * (self.road + self.kit.uniform((0.4, 1.4)))
      kind = 'bicycle' if self.kit.chance(0.6) else 'motorcycle'
      z = self.kit.uniform((5, 18))
      found.append(things.two_wheeler(self.kit, kind, x, z, ridden=False))
    z = self.kit.uniform((5, 10))
    while z < 60:
      if self.kit.chance(self.kit.look.parked):
        x = side * (self.road - 1.1)
        found.append(vehicles.vehicle(self.kit, 'car', x, z))
      z += self.kit.uniform((5.5, 9))
    return found

  def traffic(self) -> list[Thing]:
    """Places vehicles and riders, and sometimes a train and a pedestrian."""
    found: list[Thing] = []
    lanes = (-0.5, 0.5) if self.road < 4.5 else (-0.7, -0.3, 0.3, 0.7)
    for lane in lanes:
      z = self.kit.uniform((6, 25))
      while z < 70:
        kind = self.kit.rng.choice(
          ['car', 'truck', 'bus', 'rider', 'none'],
          p=[0.36, 0.13, 0.12, 0.2, 0.19],
        )
        x = lane * self.road
        if kind == 'rider':
          cycle = 'motorcycle' if self.kit.chance(0.45) else 'bicycle'
          found.append(
            things.two_wheeler(self.kit, cycle, x, min(z, 24), ridden=True)
          )
        elif kind != 'none':
          found.append(vehicles.vehicle(self.kit, str(kind), x, z))
        z += self.kit.uniform((12, 30))
    if self.kit.chance(0.22):
      side = self.kit.rng.choice([-1, 1])
      x, z = side * (self.road - 1.6), self.kit.uniform((6, 22))
      found.append(vehicles.vehicle(self.kit, 'train', x, z))
    if self.kit.chance(0.5):
      x = self.kit.uniform((-self.road, self.road))
      found.append(things.person(self.kit, x, self.kit.uniform((8, 25))))
    return found
