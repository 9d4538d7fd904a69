"""Crops around single points, with a cross on the pixel."""

import pathlib

import cv2
import numpy as np
from PIL import Image

from pointsup_jax.annotation.exchange.formats import label_studio_points
from pointsup_jax.annotation.exchange.formats.exchanged import Export
from pointsup_jax.data import image_files
from pointsup_jax.hosts import paths, progress

_SIDE = 256  # of a crop, in pixels of the original
_ZOOM = 3
_ARM, _GAP = 40, 10  # of the cross, in pixels of the picture


def write(export: Export, images: pathlib.Path, folder: pathlib.Path) -> None:
  """Writes a crop of every point below `folder`, from the files in `images`."""
  by_image = export.by_image()
  for name, points in progress.each(by_image.items(), 'crops', len(by_image)):
    image = image_files.read_image(images, export.files[name].path)
    for point in points:
      path = paths.inside(folder, label_studio_points.crop_path(point))
      path.parent.mkdir(parents=True, exist_ok=True)
      pixel = (point.request.row, point.request.col)
      Image.fromarray(crop(image, pixel, export.size)).save(path)


def crop(
  image: np.ndarray, pixel: tuple[int, int], size: tuple[int, int]
) -> np.ndarray:
  """Crops and enlarges the surroundings of a pixel.

  Args:
    image: [height, width, 3] uint8, RGB, of any size.
    pixel: row and column.
    size: (height, width) that they refer to.

  Returns:
    [S, S, 3] uint8: the pixel outlined, with a cross around it.
  """
  scale = np.array(image.shape[:2]) / size
  first = np.floor(np.array(pixel) * scale).astype(int)
  last = np.ceil((np.array(pixel) + 1) * scale).astype(int)
  half = _SIDE // 2
  y, x = (first + last) // 2
  # Beyond the image the crop is black.
  window = np.zeros((_SIDE, _SIDE, 3), np.uint8)
  y0, x0 = max(y - half, 0), max(x - half, 0)
  part = image[y0 : y + half, x0 : x + half]
  window[y0 - y + half :, x0 - x + half :][: len(part), : part.shape[1]] = part
  # Nearest neighbour, so that a single pixel looks like one.
  picture = cv2.resize(
    window, None, fx=_ZOOM, fy=_ZOOM, interpolation=cv2.INTER_NEAREST
  )
  (top, left), (bottom, right) = (
    (first, last) - np.array([y, x]) + half
  ) * _ZOOM
  pixel_itself = picture[top:bottom, left:right].copy()
  for color, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
    _mark(picture, (top, bottom, left, right), color, thickness)
  picture[top:bottom, left:right] = pixel_itself
  return picture


def _mark(
  picture: np.ndarray,
  box: tuple[int, int, int, int],
  color: tuple[int, int, int],
  thickness: int,
) -> None:
  """Draws around the box (top, bottom, left, right) of `picture`, in place."""
  top, bottom, left, right = (int(x) for x in box)
  cv2.rectangle(
    picture, (left - 2, top - 2), (right + 1, bottom + 1), color, thickness
  )
  y, x = (top + bottom) // 2, (left + right) // 2
  for start, end in (
    ((x, top - _GAP - _ARM), (x, top - _GAP)),
    ((x, bottom + _GAP), (x, bottom + _GAP + _ARM)),
    ((left - _GAP - _ARM, y), (left - _GAP, y)),
    ((right + _GAP, y), (right + _GAP + _ARM, y)),
  ):
    cv2.line(picture, start, end, color, thickness)
