"""Reads and writes single image files.

All functions that read raise errors.UserError if a file is damaged, no image
or of another kind than they read. `path` is relative to `root`.
"""

import contextlib
import pathlib
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pointsup_jax import errors
from pointsup_jax.hosts import wording
from pointsup_jax.types import Array

MAX_PIXELS = 178_000_000
Image.MAX_IMAGE_PIXELS = None  # Pillow's own limits warn from half of that on

# Pillow raises these on truncated or damaged files.
_UNREADABLE = (
  OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error,
)  # fmt: skip
# Pillow goes by content, not suffix; some of its other formats run programs.
_FORMATS = ('PNG', 'JPEG', 'BMP', 'TIFF', 'WEBP')
_LOSSY = ('JPEG', 'MPO')
_ORIENTATION = 0x0112  # EXIF tag
_LYING = (5, 6, 7, 8)  # orientations that swap width and height
_DEPTHS = (8, 10, 12, 14, 16)  # bits that cameras use of 16
# What files in place of images begin with.
_OTHERS = {
  b'version https://git-lfs': 'a Git LFS pointer: run `git lfs pull`',
  b'/annex/objects': 'a git-annex pointer: run `git annex get`',
  b'<': 'a web page or XML: download it again',
}


class Header(NamedTuple):
  """What a file says of itself before its pixels."""

  size: tuple[int, int]  # (height, width), after EXIF rotation
  turned: bool  # EXIF data rotate or mirror the pixels
  pages: int  # 1 unless only the first of several is read
  palette: bytes  # RGB of each index of a palette PNG


def header(root: pathlib.Path, path: str, *, label: bool = False) -> Header:
  """Reads the header of an image or label file, without decoding it."""
  with _opened(root, path, label=label) as image:
    orientation = _orientation(image)
    # Pillow has turned the size of a TIFF already.
    lying = image.format != 'TIFF' and orientation in _LYING
    # Phones put a second picture for the screen's brightness into JPEGs.
    pages = 1 if image.format in _LOSSY else getattr(image, 'n_frames', 1)
    indexed = image.format == 'PNG' and image.mode == 'P'
    return Header(
      size=image.size if lying else image.size[::-1],
      turned=orientation != 1,
      pages=pages,
      palette=image.palette.tobytes() if indexed and image.palette else b'',
    )


def decode(
  root: pathlib.Path, path: str, *, label: bool = False
) -> Image.Image:
  """Reads an image or label file and applies its EXIF orientation."""
  with _opened(root, path, label=label) as image:
    _orientation(image)  # before the pixels are read, as for headers
    image.load()
    return ImageOps.exif_transpose(image)


@contextlib.contextmanager
def _opened(
  root: pathlib.Path, path: str, *, label: bool
) -> Iterator[Image.Image]:
  try:
    with Image.open(root / path, formats=_FORMATS) as image:
      width, height = image.size
      if width * height > MAX_PIXELS:
        raise errors.UserError(
          f'{path} is {width}x{height}, more than the '
          f'{MAX_PIXELS // 1_000_000} megapixels that are read; make it '
          f'smaller or cut it into parts (in {root})'
        )
      if label and image.format in _LOSSY:
        raise errors.UserError(
          f'{path} holds JPEG data, which change the ids of classes; write '
          f'labels as PNG from the start (in {root})'
        )
      yield image
  except _UNREADABLE as error:
    raise _unreadable(root, path, error) from error


def _orientation(image: Image.Image) -> int:
  """Returns the EXIF orientation of a file that has just been opened.

  Only counts what stands before the pixels. Pillow remembers it, so that what
  follows the pixels of a PNG never counts.
  """
  # PngImageFile.getexif would decode the image.
  found = Image.Image.getexif(image).get(_ORIENTATION)
  return found if isinstance(found, int) and 1 <= found <= 8 else 1


def read_image(root: pathlib.Path, path: str) -> np.ndarray:
  """Reads an image of 8 or 16 bits a channel: [H, W, 3] uint8, RGB.

  Of 16 bits, keeps the upper 8 of those in use: many cameras use 10, 12 or 14.
  """
  image = decode(root, path)
  if image.mode.startswith('I;16'):
    image = Image.fromarray(_upper_bits(np.asarray(image)))
  elif _png_depth(root / path)[0] == 16:
    image = _of_16_bits(root, path)
  if image.mode.startswith(('I', 'F')):
    raise errors.UserError(
      f'{path} has mode {image.mode}, more than 16 bits a channel; convert '
      f'it to 8-bit RGB (in {root})'
    )
  image.info.pop('transparency', None)  # Pillow would warn, and ignore it
  return np.asarray(image.convert('RGB'))


def _upper_bits(pixels: np.ndarray) -> np.ndarray:
  used = next(bits for bits in _DEPTHS if pixels.max() < 2**bits)
  return (pixels >> (used - 8)).astype(np.uint8)


def _of_16_bits(root: pathlib.Path, path: str) -> Image.Image:
  """Reads a PNG of 16-bit colours, of which Pillow has the upper 8 bits."""
  with _opened(root, path, label=False) as opened:
    orientation = _orientation(opened)
  rgb = _read_unchanged(root, path)[..., 2::-1]  # OpenCV has blue first
  image = Image.fromarray(np.ascontiguousarray(_upper_bits(rgb)))
  image.getexif()[_ORIENTATION] = orientation
  return ImageOps.exif_transpose(image)


def _read_unchanged(root: pathlib.Path, path: str) -> np.ndarray:
  try:
    pixels = cv2.imread(str(root / path), cv2.IMREAD_UNCHANGED)
  except cv2.error as error:
    raise _unreadable(root, path, error) from error
  if pixels is None:
    raise _unreadable(root, path, ValueError('OpenCV cannot decode it'))
  return pixels


def read_ids(root: pathlib.Path, path: str) -> np.ndarray:
  """Reads class ids, 8-bit grey values or palette indices: [H, W] uint8."""
  image = decode(root, path, label=True)
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
  bits, color = _png_depth(path)
  return 255 // (2**bits - 1) if color == 0 and bits in (2, 4) else 1


def _png_depth(path: pathlib.Path) -> tuple[int, int]:
  """Returns the bits and colour type (0: grey) of a PNG; else zeros."""
  with path.open('rb') as file:
    start = file.read(26)
  if not start.startswith(b'\x89PNG'):
    return 0, 0
  return start[24], start[25]  # of IHDR, the first chunk


def read_first_of_16_bits(root: pathlib.Path, path: str) -> np.ndarray:
  """Reads the first 16-bit channel of a SYNTHIA label PNG: [H, W] uint8.

  Pillow would keep the upper 8 bits of each channel, which are zero.
  """
  header(root, path, label=True)
  pixels = _read_unchanged(root, path)
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


def read_depth(root: pathlib.Path, path: str) -> np.ndarray:
  """Reads a depth file of 16 bits: [H, W] uint16, of its first channel."""
  return read_depth_channels(root, path)[..., 0]


def read_depth_channels(root: pathlib.Path, path: str) -> np.ndarray:
  """Reads a depth file of 16 bits: [H, W, 1 or 3] uint16."""
  header(root, path)
  pixels = _read_unchanged(root, path)
  if pixels.dtype != np.uint16:
    raise errors.UserError(
      f'{path} holds {pixels.dtype}; depth is centimetres in 16 bits, 65535 '
      f'where it is far (in {root})'
    )
  if pixels.ndim == 2:
    return pixels[..., None]
  return pixels[..., 2::-1]  # OpenCV has blue first


def write_labels(
  path: pathlib.Path, labels: Array, palette: np.ndarray | None = None
) -> None:
  """Writes ids [H, W] uint8 as a PNG and creates its folders.

  With a `palette`, [256, 3] uint8 RGB, viewers show ids in their colours, and
  `read_ids`, Pillow and others still read them as ids.
  """
  path.parent.mkdir(parents=True, exist_ok=True)
  image = Image.fromarray(np.asarray(labels))
  if palette is not None:
    image.putpalette(palette.tobytes())
  image.save(path)


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
  start = b''
  with contextlib.suppress(OSError), (root / path).open('rb') as file:
    start = file.read(64).lstrip()
  what = next((x for head, x in _OTHERS.items() if start.startswith(head)), '')
  if not what:
    what = 'damaged or no image'
    if not isinstance(error, UnidentifiedImageError):
      what += f': {wording.first_line(error)}'
  return errors.UserError(f'{path} cannot be read, it is {what} (in {root})')
