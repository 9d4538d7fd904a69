"""Draws small pictures: of a point with its surroundings, of a whole image."""

import io

import numpy as np
from PIL import Image, ImageDraw

KIND = 'image/jpeg'
_SIDE = 192  # pixels of a crop
_ACROSS = 96  # training pixels in it, as many as the page's view shows
_LARGEST = (480, 192)  # width and height of a small image
_GAP, _ARM = 12, 26  # of the cross, in pixels of the crop
_MIDDLE = 0.42  # where an image's median is put, if it is darker


def around(
  pixels: np.ndarray, size: tuple[int, int], row: int, col: int
) -> bytes:
  """Draws a square around a point, with a cross that leaves it free.

  Args:
    pixels: [H, W, 3] uint8.
    size: (height, width) that `row` and `col` refer to.
    row: of the point.
    col: likewise.

  Returns:
    A file of the kind `KIND`.
  """
  shape = pixels.shape[1::-1]  # width and height, as all below
  scale = shape[0] / size[1], shape[1] / size[0]
  side = min(_ACROSS * max(scale), *shape)
  # All of it lies in the image.
  at = (col + 0.5) * scale[0], (row + 0.5) * scale[1]
  left, top = (
    min(max(x - side / 2, 0), length - side)
    for x, length in zip(at, shape, strict=True)
  )
  crop = Image.fromarray(pixels).resize(
    (_SIDE, _SIDE),
    Image.Resampling.BICUBIC,
    (left, top, left + side, top + side),
  )
  crop = crop.point(_light(pixels) * 3)
  _cross(crop, (at[0] - left) * _SIDE / side, (at[1] - top) * _SIDE / side)
  return _encoded(crop)


def small(pixels: np.ndarray) -> bytes:
  """Makes an image [H, W, 3] uint8 a small file of the kind `KIND`."""
  image = Image.fromarray(pixels)
  image.thumbnail(_LARGEST, Image.Resampling.BICUBIC)
  return _encoded(image)


def _light(pixels: np.ndarray) -> list[int]:
  """What each value becomes: the page's automatic light (picture.js)."""
  some = pixels[:: max(1, pixels.shape[0] // 256), ::4] @ [0.3, 0.59, 0.11]
  low, middle, high = np.quantile(some, (0.005, 0.5, 0.995))
  high = max(high, low + 16)
  median = np.clip((middle - low) / (high - low), 0.02, 0.98)
  gamma = np.clip(np.log(median) / np.log(_MIDDLE), 1, 3)
  level = np.clip((np.arange(256) - low) / (high - low), 0, 1)
  return np.rint(255 * level ** (1 / gamma)).astype(int).tolist()


def _cross(image: Image.Image, x: float, y: float) -> None:
  draw = ImageDraw.Draw(image)
  x, y = round(x), round(y)
  for color, width in (('black', 7), ('white', 3)):
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
      begin = x + dx * _GAP, y + dy * _GAP
      end = x + dx * (_GAP + _ARM), y + dy * (_GAP + _ARM)
      draw.line((*begin, *end), fill=color, width=width)


def _encoded(image: Image.Image) -> bytes:
  stream = io.BytesIO()
  image.save(stream, 'JPEG', quality=90)
  return stream.getvalue()
