"""Single image files, with Pillow."""

import pathlib
import struct
import zlib

import cv2
import numpy as np
from PIL import Image, ImageOps

from pointsup_jax import errors
from pointsup_jax.hosts import wording
from pointsup_jax.types import Array

# What Pillow raises on files that are cut off or damaged.
_UNREADABLE = (
  OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error,
  Image.DecompressionBombError,
)  # fmt: skip
# Pillow goes by the content, whatever the suffix; some of its other formats
# start programs.
_FORMATS = ('PNG', 'JPEG', 'BMP', 'TIFF', 'WEBP')
_ORIENTATION = 0x0112  # EXIF tag
_LYING = (5, 6, 7, 8)  # its values that exchange width and height


def header_size(root: pathlib.Path, path: str) -> tuple[int, int]:
  """The size of an image as it will be shown, without decoding it.

  Args:
    root: a folder.
    path: of the file, below it.

  Returns:
    (height, width) in pixels.

  Raises:
    errors.UserError: the file is damaged or no image.
  """
  try:
    with Image.open(root / path, formats=_FORMATS) as image:
      # Pillow decodes a whole PNG in search of EXIF data; those are left to
      # the check on reading.
      turned = (
        image.format != 'PNG' and image.getexif().get(_ORIENTATION) in _LYING
      )
      return image.size if turned else image.size[::-1]
  except _UNREADABLE as error:
    raise _unreadable(root, path, error) from error


def decode(root: pathlib.Path, path: str) -> Image.Image:
  """Reads an image or a label, turned as its EXIF orientation says.

  Args:
    root: a folder.
    path: of the file, below it.

  Raises:
    errors.UserError: the file is damaged or no image.
  """
  try:
    with Image.open(root / path, formats=_FORMATS) as image:
      image.load()
      return ImageOps.exif_transpose(image)
  except _UNREADABLE as error:
    raise _unreadable(root, path, error) from error


def read_image(root: pathlib.Path, path: str) -> np.ndarray:
  """Reads an image: [H, W, 3] uint8, RGB.

  Raises:
    errors.UserError: the file is damaged or has more than 8 bits a channel.
  """
  return _rgb(decode(root, path), root, path)


def read_any_image(root: pathlib.Path, path: str) -> np.ndarray:
  """Reads an image as `read_image` does, and grey ones of 16 bits too.

  Of 16 bits the upper 8 count, as they do where Pillow reads 16-bit colours.

  Returns:
    [H, W, 3] uint8, RGB.

  Raises:
    errors.UserError: the file is damaged or has other numbers than 8 or 16
      bits.
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
  """Reads a label file of one 8-bit channel, palettes by index: [H, W] uint8.

  Raises:
    errors.UserError: the file is damaged or of another kind.
  """
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
  """What Pillow multiplies grey PNGs of 2 or 4 bits by, to reach 0..255."""
  with path.open('rb') as file:
    header = file.read(26)
  if not header.startswith(b'\x89PNG'):
    return 1
  bits, color = header[24], header[25]  # of IHDR, the first chunk; 0: grey
  return 255 // (2**bits - 1) if color == 0 and bits in (2, 4) else 1


def read_first_of_16_bits(root: pathlib.Path, path: str) -> np.ndarray:
  """Reads SYNTHIA's label PNGs: the first of several 16-bit channels.

  Pillow would keep the upper 8 bits of each channel: zeros.

  Returns:
    [H, W] uint8.

  Raises:
    errors.UserError: the file is damaged or of another kind.
  """
  pixels = cv2.imread(str(root / path), cv2.IMREAD_UNCHANGED)
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
  """Writes labels [H, W] uint8 as a PNG of train ids, with its folders."""
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.fromarray(np.asarray(labels)).save(path)


def read_labels(path: pathlib.Path) -> np.ndarray:
  """Reads what `write_labels` wrote: [H, W] uint8.

  Raises:
    errors.UserError: the file is damaged.
  """
  return np.asarray(decode(path.parent, path.name))


def _unreadable(
  root: pathlib.Path, path: str, error: Exception
) -> errors.UserError:
  return errors.UserError(
    f'{path} cannot be read, it is damaged or no image: '
    f'{wording.first_line(error)} (in {root})'
  )
