"""The two looks of Streets: colours, layout statistics and camera."""

import dataclasses
import functools

import numpy as np


@dataclasses.dataclass(frozen=True)
class Look:
  """Colours (0..1), layout statistics and camera of one domain."""

  is_camera: bool  # whether to simulate a real camera's faults
  camera_height: tuple[float, float]  # metres
  horizon: tuple[float, float]  # of the image height
  focal: tuple[float, float]  # of the image width
  road: tuple[float, float]  # half the width, metres
  sidewalk: tuple[float, float]  # width, metres
  greenery: float  # chance of trees, hedges and verges
  parked: float  # chance of a parked car on each slot
  colors: dict[str, np.ndarray]  # [choices, 3] float32
  color_spread: float  # how much a colour varies from thing to thing


def _palette(**colors: tuple[tuple[float, float, float], ...]) -> dict:
  return {
    name: np.array(choices, np.float32) for name, choices in colors.items()
  }


GAME = Look(
  is_camera=False,
  camera_height=(1.3, 1.6),
  horizon=(0.42, 0.48),
  focal=(0.55, 0.65),
  road=(4.0, 7.0),
  sidewalk=(2.5, 4.5),
  greenery=0.45,
  parked=0.3,
  color_spread=0.08,
  colors=_palette(
    sky=((0.35, 0.6, 0.95), (0.5, 0.72, 0.98), (0.7, 0.8, 0.95)),
    road=((0.30, 0.30, 0.33), (0.36, 0.35, 0.36)),
    marking=((0.95, 0.95, 0.9),),
    sidewalk=((0.72, 0.66, 0.6), (0.66, 0.62, 0.6)),
    terrain=((0.5, 0.66, 0.2), (0.62, 0.6, 0.3)),
    building=(
      (0.75, 0.45, 0.35), (0.85, 0.75, 0.55), (0.6, 0.6, 0.7), (0.8, 0.8, 0.78),
    ),
    window=((0.2, 0.3, 0.45),),
    wall=((0.55, 0.5, 0.48), (0.7, 0.62, 0.5)),
    fence=((0.45, 0.3, 0.18), (0.85, 0.85, 0.85)),
    pole=((0.25, 0.26, 0.28),),
    light=((0.08, 0.08, 0.08),),
    sign=((0.9, 0.1, 0.1), (0.1, 0.3, 0.9), (0.95, 0.8, 0.1)),
    vegetation=((0.15, 0.5, 0.12), (0.25, 0.6, 0.15)),
    skin=((0.85, 0.65, 0.5), (0.5, 0.35, 0.25)),
    clothes=(
      (0.8, 0.2, 0.2), (0.2, 0.3, 0.7), (0.9, 0.85, 0.2), (0.2, 0.2, 0.2),
    ),
    car=(
      (0.8, 0.1, 0.1), (0.1, 0.2, 0.7), (0.9, 0.9, 0.92), (0.15, 0.15, 0.17),
      (0.7, 0.7, 0.2),
    ),
    truck=((0.9, 0.88, 0.8), (0.2, 0.45, 0.75)),
    bus=((0.95, 0.75, 0.1), (0.9, 0.45, 0.1)),
    train=((0.75, 0.12, 0.2), (0.85, 0.85, 0.9)),
    cycle=((0.1, 0.1, 0.12),),
    motor=((0.7, 0.1, 0.1), (0.12, 0.12, 0.5)),
    tyre=((0.05, 0.05, 0.05),),
    bonnet=((0.1, 0.1, 0.12),),
  ),
)  # fmt: skip

CAMERA = Look(
  is_camera=True,
  camera_height=(1.15, 1.4),
  horizon=(0.36, 0.46),
  focal=(0.6, 0.75),
  road=(3.2, 5.5),
  sidewalk=(2.0, 4.0),
  greenery=0.65,
  parked=0.5,
  color_spread=0.12,
  colors=_palette(
    sky=((0.72, 0.78, 0.84), (0.55, 0.68, 0.86), (0.84, 0.85, 0.85)),
    road=((0.38, 0.37, 0.37), (0.46, 0.45, 0.44)),
    marking=((0.75, 0.75, 0.72),),
    sidewalk=((0.62, 0.58, 0.54), (0.54, 0.52, 0.5)),
    terrain=((0.42, 0.52, 0.22), (0.5, 0.5, 0.28)),
    building=(
      (0.55, 0.5, 0.45), (0.48, 0.4, 0.36), (0.62, 0.58, 0.5), (0.4, 0.4, 0.42),
    ),
    window=((0.22, 0.25, 0.3), (0.45, 0.48, 0.5)),
    wall=((0.45, 0.44, 0.42), (0.52, 0.45, 0.4)),
    fence=((0.3, 0.32, 0.3), (0.4, 0.36, 0.3)),
    pole=((0.42, 0.43, 0.43),),
    light=((0.15, 0.16, 0.14),),
    sign=((0.7, 0.2, 0.2), (0.2, 0.3, 0.6), (0.75, 0.68, 0.35)),
    vegetation=((0.2, 0.33, 0.14), (0.3, 0.4, 0.18)),
    skin=((0.7, 0.55, 0.45), (0.4, 0.3, 0.25)),
    clothes=(
      (0.25, 0.25, 0.28), (0.35, 0.3, 0.28), (0.2, 0.25, 0.35),
      (0.55, 0.5, 0.48),
    ),
    car=(
      (0.25, 0.25, 0.27), (0.62, 0.63, 0.64), (0.15, 0.17, 0.2),
      (0.45, 0.15, 0.14), (0.2, 0.25, 0.4),
    ),
    truck=((0.7, 0.68, 0.62), (0.35, 0.42, 0.55)),
    bus=((0.75, 0.55, 0.2), (0.6, 0.55, 0.5)),
    train=((0.55, 0.25, 0.25), (0.6, 0.6, 0.5)),
    cycle=((0.15, 0.15, 0.15),),
    motor=((0.2, 0.2, 0.22), (0.35, 0.15, 0.15)),
    tyre=((0.1, 0.1, 0.1),),
    bonnet=((0.2, 0.21, 0.22),),
  ),
)  # fmt: skip

LOOKS = {'game': GAME, 'camera': CAMERA}


def develop(
  look: Look, image: np.ndarray, depth: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
  """Turns a painted scene into an image: [H, W, 3] uint8.

  A camera adds haze, exposure, colour cast, vignette, blur and sensor noise,
  the game only a little haze and noise. Takes an image [H, W, 3] float32, 0..1,
  which it modifies, and depth [H, W] float32, metres.
  """
  if not look.is_camera:
    _haze(image, depth, 400.0, (0.6, 0.75, 0.95))
    _grain(image, rng.uniform(0.002, 0.012), rng)
    return _bytes(image)
  _haze(image, depth, rng.uniform(120, 350), (0.8, 0.8, 0.8))
  grey = image @ np.full((3, 1), 1 / 3, np.float32)
  image -= grey
  image *= np.float32(rng.uniform(0.75, 1.0))
  image += grey
  cast = rng.normal(rng.uniform(0.85, 1.1), 0.02, 3).astype(np.float32)
  image = _blur(_blur(image, 0), 1)
  image *= cast * _vignette(image.shape[:2])
  _grain(image, rng.uniform(0.005, 0.015), rng)
  return _bytes(image)


def _grain(image: np.ndarray, size: float, rng: np.random.Generator) -> None:
  """Adds noise of standard deviation `size`, in place."""
  noise = rng.standard_normal(image.shape[:2], np.float32)[..., None]
  noise *= np.float32(size)
  image += noise


def _haze(
  image: np.ndarray,
  depth: np.ndarray,
  reach: float,
  color: tuple[float, float, float],
) -> None:
  """Fades the image to a colour, in place; reach is in metres."""
  clear = np.exp(depth * np.float32(-1 / reach))[..., None]
  haze = np.array(color, np.float32)
  image -= haze
  image *= clear
  image += haze


def _blur(image: np.ndarray, axis: int) -> np.ndarray:
  """Applies a [1 2 1] / 4 filter along an axis, except to the borders."""
  before, after = (
    image[(slice(None),) * axis + (slice(i, image.shape[axis] - 2 + i),)]
    for i in (0, 2)
  )
  blurred = image.copy()
  inner = blurred[(slice(None),) * axis + (slice(1, -1),)]
  inner *= 2
  inner += before
  inner += after
  inner *= 0.25
  return blurred


@functools.lru_cache(maxsize=4)
def _vignette(size: tuple[int, int]) -> np.ndarray:
  """Returns brightness [H, W, 1]: 1 in the middle, darker in the corners."""
  rows, cols = (np.linspace(-1, 1, n, dtype=np.float32) for n in size)
  radius = rows[:, None] ** 2 + cols[None] ** 2
  return (1 - 0.1 * radius)[..., None]


def _bytes(image: np.ndarray) -> np.ndarray:
  """Converts 0..1 to 0..255 uint8, modifying the image."""
  image *= 255
  np.clip(image, 0, 255, out=image)
  return image.astype(np.uint8)
