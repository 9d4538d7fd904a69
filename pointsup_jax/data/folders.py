"""Which image files a split of an image folder has."""

import collections
import os
import pathlib
from collections.abc import Sequence

from pointsup_jax import errors

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg')


def find_images(root: pathlib.Path, split: str) -> dict[str, str]:
  """The images of a split.

  Args:
    root: the folder that has `images` in it.
    split: a list in `splits`, or a folder in `images`; '' for all.

  Returns:
    name -> path below root.

  Raises:
    errors.UserError: there are no such images, or not all of them.
  """
  if not (root / 'images').is_dir():
    raise errors.UserError(
      f'there is no folder {root / "images"}; set data.root to the folder that '
      'holds images/ and labels/'
    )
  listing = root / 'splits' / f'{split}.txt'
  if split and listing.is_file():
    return _listed(root, listing)
  folder = root / 'images' / split
  if not folder.is_dir():
    raise errors.UserError(
      f'{root} has no split {split!r}: neither splits/{split}.txt nor '
      f'images/{split}/ exists; it has {few(_splits(root)) or "none"}'
    )
  images = _images_below(root, folder)
  if not images:
    raise errors.UserError(
      f'{folder} has no images ({", ".join(IMAGE_SUFFIXES)})'
    )
  return images


def _splits(root: pathlib.Path) -> list[str]:
  """Names that a user may have meant."""
  lists = (path.stem for path in (root / 'splits').glob('*.txt'))
  folders = (path.name for path in (root / 'images').iterdir() if path.is_dir())
  return sorted({*lists, *folders})


def _listed(root: pathlib.Path, listing: pathlib.Path) -> dict[str, str]:
  """The images that a list names."""
  try:
    lines = listing.read_text(encoding='utf-8-sig').splitlines()
  except (OSError, UnicodeDecodeError) as error:
    raise errors.UserError(f'{listing} cannot be read: {error}') from error
  names = [line.strip() for line in lines if line.strip()]
  if not names:
    raise errors.UserError(f'{listing} is empty; list one name a line')
  twice = [name for name, n in collections.Counter(names).items() if n > 1]
  if twice:
    raise errors.UserError(
      f'{listing} has {len(twice)} names more than once: {few(twice)}'
    )
  images = _images_below(root, root / 'images')
  missing = [name for name in names if name not in images]
  if missing:
    raise errors.UserError(
      f'{listing}: {len(missing)} of {len(names)} names have no image: '
      f'{few(missing)}; names are paths in images/ without suffix'
    )
  return {name: images[name] for name in names}


def _images_below(root: pathlib.Path, folder: pathlib.Path) -> dict[str, str]:
  """All images in a folder, linked ones too: name -> path below root."""
  images: dict[str, str] = {}
  for parent, _, files in os.walk(folder, followlinks=True):
    for file in sorted(files):
      path = pathlib.Path(parent, file).relative_to(root)
      if file.startswith('.') or path.suffix.lower() not in IMAGE_SUFFIXES:
        continue
      name = path.relative_to('images').with_suffix('').as_posix()
      if name in images:
        raise errors.UserError(
          f'{images[name]} and {path.as_posix()} have the same name; keep one '
          f'of them (in {root})'
        )
      images[name] = path.as_posix()
  return images


def few(items: Sequence[str]) -> str:
  """The first three, and how many more there are."""
  more = f' and {len(items) - 3} more' if len(items) > 3 else ''
  return ', '.join(items[:3]) + more
