"""Reads and writes single image files.

All functions that read raise errors.UserError if a file is damaged, no image
or of another kind than they read. `path` is relative to `root`.
"""

import pathlib
import struct
import zlib

import cv2
import numpy as np
from PIL import Image, ImageOps

from pointsup_jax import errors
from pointsup_jax.hosts import wording
from pointsup_jax.types import Array

# Pillow raises these on truncated or damaged files.
_UNREADABLE = (
  OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error,
  Image.DecompressionBombError,
)  # fmt: skip
# Pillow goes by content, not suffix; some of its other formats run programs.
_FORMATS = ('PNG', 'JPEG', 'BMP', 'TIFF', 'WEBP')
_ORIENTATION = 0x0112  # EXIF tag
_LYING = (5, 6, 7, 8)  # orientations that swap width and height


def header_size(root: pathlib.Path, path: str) -> tuple[int, int]:
  """Reads (height, width) after EXIF rotation, without decoding the image.

  EXIF data of PNGs are ignored.
  """
  try:
    with Image.open(root / path, formats=_FORMATS) as image:
      # Finding EXIF data in a PNG means decoding it; PNGs are checked later,
      # when they are read.
      turned = (
        image.format != 'PNG' and image.getexif().get(_ORIENTATION) in _LYING
      )
      return image.size if turned else image.size[::-1]
  except _UNREADABLE as error:
    raise _unreadable(root, path, error) from error


def decode(root: pathlib.Path, path: str) -> Image.Image:
  """Reads an image or label file and applies its EXIF orientation."""
  try:
    with Image.open(root / path, formats=_FORMATS) as image:
      image.load()
      return ImageOps.exif_transpose(image)
  except _UNREADABLE as error:
    raise _unreadable(root, path, error) from error


def read_image(root: pathlib.Path, path: str) -> np.ndarray:
  """Reads an image of at most 8 bits a channel: [H, W, 3] uint8, RGB."""
  return _rgb(decode(root, path), root, path)


def read_any_image(root: pathlib.Path, path: str) -> np.ndarray:
  """Like `read_image`, but also reads 16-bit grey images: [H, W, 3] uint8, RGB.

  Keeps the upper 8 bits, as Pillow does with 16-bit colours.
  """
  image = decode(root, path)
  if image.mode.startswith('I;16'):
    image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
  return _rgb(image, root, path)


def _rgb(image: Image.Image, root: pathlib.Path, path: str) -> np.ndarray:
  if image.mode.startswith(('I', 'F')):
    raise errors.UserError(
      f'{path} has mode {image.mode}, more than 8 bits a channel; convert '
      f'it to 8-bit RGB (in {root})'
    )
  return np.asarray(image.convert('RGB'))


def read_ids(root: pathlib.Path, path: str) -> np.ndarray:
  """Reads class ids, 8-bit grey values or palette indices: [H, W] uint8."""
  image = decode(root, path)
  if image.mode == '1':
    return np.asarray(image).astype(np.uint8)
  if image.mode not in ('L', 'P'):
    raise errors.UserError(
      f'{path} has mode {image.mode}, {len(image.getbands())} channel(s); '
      'labels must be class ids in one 8-bit channel, grey or palette '
      f'(in {root})'
    )
  if image.mode == 'L':
    return np.asarray(image) // _grey_step(root / path)
  return np.asarray(image)


def _grey_step(path: pathlib.Path) -> int:
  """Returns Pillow's factor that scales 2- and 4-bit grey PNGs to 0..255."""
  with path.open('rb') as file:
    header = file.read(26)
  if not header.startswith(b'\x89PNG'):
    return 1
  bits, color = header[24], header[25]  # of IHDR, the first chunk; 0: grey
  return 255 // (2**bits - 1) if color == 0 and bits in (2, 4) else 1


def read_first_of_16_bits(root: pathlib.Path, path: str) -> np.ndarray:
  """Reads the first 16-bit channel of a SYNTHIA label PNG: [H, W] uint8.

  Pillow would keep the upper 8 bits of each channel, which are zero.
  """
  try:
    pixels = cv2.imread(str(root / path), cv2.IMREAD_UNCHANGED)
  except cv2.error as error:  # more pixels than OpenCV takes
    raise _unreadable(root, path, error) from error
  if pixels is None:
    raise _unreadable(root, path, ValueError('OpenCV cannot decode it'))
  if pixels.dtype != np.uint16 or pixels.ndim != 3:
    raise errors.UserError(
      f'{path} holds {pixels.dtype} of shape {pixels.shape}; the labels of '
      f'SYNTHIA have 3 channels of 16 bits: GT/LABELS, not GT/COLOR (in {root})'
    )
  ids = pixels[..., 2]  # OpenCV has blue first
  if ids.max() > 255:
    raise errors.UserError(
      f'{path} has the id {ids.max()} in its first channel, which is none of '
      f'SYNTHIA (in {root})'
    )
  return ids.astype(np.uint8)


def write_labels(path: pathlib.Path, labels: Array) -> None:
  """Writes train ids [H, W] uint8 as a PNG and creates its folders."""
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.fromarray(np.asarray(labels)).save(path)


def read_labels(path: pathlib.Path, size: tuple[int, ...]) -> np.ndarray:
  """Reads a file of `write_labels`, whose (H, W) is known: [H, W] uint8."""
  image = decode(path.parent, path.name)
  if image.mode != 'L' or image.size[::-1] != tuple(size):
    raise errors.UserError(
      f'{path} is an image of {image.height}x{image.width}, mode {image.mode}; '
      f'labels of {size[0]}x{size[1]} were written there: restore the file'
    )
  return np.asarray(image)


def _unreadable(
  root: pathlib.Path, path: str, error: Exception
) -> errors.UserError:
  return errors.UserError(
    f'{path} cannot be read, it is damaged or no image: '
    f'{wording.first_line(error)} (in {root})'
  )
