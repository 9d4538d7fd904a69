"""Carries over where an image lies on the Earth to what is predicted of it.

Predictions have their image's size, so they share its coordinates: those of a
world file beside it (`photo.jgw`, `photo.jpgw` or `photo.wld`, and
`photo.prj`), or those inside a GeoTIFF.
"""

import importlib.util
import pathlib
from collections.abc import Mapping

import numpy as np
from PIL import Image

_TIFF = ('.tif', '.tiff')
# TIFF tags that place an image: scale and tie points, or a matrix.
_PLACED = (33550, 34264)


def world_files(image: pathlib.Path) -> dict[str, pathlib.Path]:
  """The files beside an image that place it, by the suffix for a PNG's."""
  kind = image.suffix
  names = (f'{kind[:2]}{kind[-1:]}w', f'{kind}w', '.wld')
  found = {'.pgw': names, '.prj': ('.prj',)}
  return {
    suffix: path
    for suffix, names in found.items()
    for path in reversed([image.with_suffix(name) for name in names])
    if path.is_file()
  }


def is_geotiff(image: pathlib.Path) -> bool:
  """Whether an image file is a TIFF with coordinates."""
  if image.suffix.lower() not in _TIFF:
    return False
  with Image.open(image) as opened:
    tags = getattr(opened, 'tag_v2', {})
    return any(tag in tags for tag in _PLACED)


def can_write() -> bool:
  """Whether the library that writes GeoTIFFs is installed."""
  return importlib.util.find_spec('rasterio') is not None


def write_geotiff(
  image: pathlib.Path,
  path: pathlib.Path,
  pixels: np.ndarray,
  palette: Mapping[int, tuple[int, int, int]] | None = None,
) -> None:
  """Writes [H, W] uint8 with the coordinates of the GeoTIFF `image`.

  `palette` has RGB colours by pixel value. Needs `can_write`.
  """
  import rasterio

  height, width = pixels.shape
  with rasterio.open(image, driver='GTiff') as placed:
    where = {'crs': placed.crs, 'transform': placed.transform}
  with rasterio.open(
    path,
    'w',
    driver='GTiff',
    height=height,
    width=width,
    count=1,
    dtype='uint8',
    compress='deflate',
    **where,
  ) as file:
    file.write(pixels, 1)
    if palette:
      file.write_colormap(1, palette)
