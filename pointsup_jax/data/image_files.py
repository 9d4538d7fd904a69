"""Single image files, with Pillow."""

import pathlib
import struct
import zlib

from PIL import Image, ImageOps

from pointsup_jax import errors

# What Pillow raises on files that are cut off or damaged.
_UNREADABLE = (
  OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error,
  Image.DecompressionBombError,
)  # fmt: skip
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
    with Image.open(root / path) as image:
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
    with Image.open(root / path) as image:
      image.load()
      return ImageOps.exif_transpose(image)
  except _UNREADABLE as error:
    raise _unreadable(root, path, error) from error


def _unreadable(
  root: pathlib.Path, path: str, error: Exception
) -> errors.UserError:
  reason = str(error).splitlines()[0] if str(error) else type(error).__name__
  return errors.UserError(
    f'{path} cannot be read, it is damaged or no image: {reason} (in {root})'
  )
