"""Label PNGs with the answered pixels, as training programs read; write-only.

One PNG of 8-bit grey for each image, at its path, 255 where nothing is known.
masks.json says where each labelled pixel comes from, masks.txt lists the images
by their names without suffix, as lists of splits do.
"""

import io
import json
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from pointsup_jax import errors
from pointsup_jax.annotation.exchange.formats.exchanged import Export, Point
from pointsup_jax.types import IGNORE


def write(export: Export) -> Iterator[tuple[str, bytes]]:
  """Yields a PNG for each image, then masks.txt and masks.json.

  Raises errors.UserError if two images would have one PNG.
  """
  about, listed = [], []
  owners: dict[str, str] = {}
  for image, points in export.by_image().items():
    file = export.files[image]
    name = str(pathlib.PurePosixPath(file.path).with_suffix('.png'))
    if name in owners:
      raise errors.UserError(
        f'{owners[name]} and {file.path} would both have the mask {name}; '
        'rename one of them'
      )
    owners[name] = file.path
    listed.append(name.removesuffix('.png'))
    pixels = [_pixel(export, point) for point in points]
    about += [
      _about(export, point, *pixel, name)
      for point, pixel in zip(points, pixels, strict=True)
    ]
    mask = mask_of(file.size, pixels, [_label(point) for point in points])
    content = io.BytesIO()
    Image.fromarray(mask).save(content, 'PNG')
    yield name, content.getvalue()
  classes = export.words.classes
  table = {
    'classes': list(classes.names),
    'palette': [list(color) for color in classes.palette],
    'ignore_index': IGNORE,
    'points': about,
  }
  yield 'masks.txt', ''.join(f'{x}\n' for x in listed).encode()
  yield 'masks.json', (json.dumps(table, indent=1) + '\n').encode()


def mask_of(
  size: tuple[int, int],
  pixels: Sequence[tuple[int, int]],
  labels: Sequence[int],
) -> np.ndarray:
  """Labels [H, W] uint8 at (x, y) `pixels`, 255 elsewhere.

  Also 255 where points of different classes fall on one pixel, as in an image
  that is smaller than the one on which they were answered.
  """
  known: dict[tuple[int, int], int] = {}
  for pixel, label in zip(pixels, labels, strict=True):
    if label != IGNORE:
      agrees = known.get(pixel, label) == label
      known[pixel] = label if agrees else IGNORE
  mask = np.full(size, IGNORE, np.uint8)
  for (x, y), label in known.items():
    mask[y, x] = label
  return mask


def _pixel(export: Export, point: Point) -> tuple[int, int]:
  x, y = export.x_y(point)
  return int(x), int(y)


def _label(point: Point) -> int:
  """The train id, or 255 for void, unsure and no answer."""
  if point.answer is None or point.answer.label is None:
    return IGNORE
  return point.answer.label


def _about(export: Export, point: Point, x: int, y: int, mask: str) -> dict:
  answer = point.answer
  return {
    'id': point.request.id,
    'image': export.files[point.request.image].path,
    'mask': mask,
    'x': x,
    'y': y,
    'class': export.word_of(point),
    'label': _label(point),
    'annotator': answer.annotator if answer else None,
    'time': point.time,
  }
