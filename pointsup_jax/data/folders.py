"""Finds the image files of a split."""

import collections
import os
import pathlib
from collections.abc import Iterator, Sequence

from pointsup_jax import errors
from pointsup_jax.hosts import wording

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg')


def find_images(root: pathlib.Path, split: str) -> dict[str, str]:
  """Finds the images of a split: name -> path below root.

  `split` is a list in `splits`, or a folder in `images`; '' means all images.
  Raises errors.UserError if images are missing or names are not unique.
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
      f'images/{split}/ exists; it has {wording.few(_splits(root)) or "none"}'
    )
  images = _images_below(root, folder)
  if not images:
    raise errors.UserError(
      f'{folder} has no images ({", ".join(IMAGE_SUFFIXES)})'
    )
  return images


def _splits(root: pathlib.Path) -> list[str]:
  lists = (path.stem for path in (root / 'splits').glob('*.txt'))
  folders = (path.name for path in (root / 'images').iterdir() if path.is_dir())
  return sorted({*lists, *folders})


def _listed(root: pathlib.Path, listing: pathlib.Path) -> dict[str, str]:
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
      f'{listing} has {len(twice)} names more than once: {wording.few(twice)}'
    )
  images = _images_below(root, root / 'images')
  missing = [name for name in names if name not in images]
  if missing:
    raise errors.UserError(
      f'{listing}: {len(missing)} of {len(names)} names have no image: '
      f'{wording.few(missing)}; names are paths in images/ without suffix'
    )
  return {name: images[name] for name in names}


def _images_below(root: pathlib.Path, folder: pathlib.Path) -> dict[str, str]:
  """Finds all images in a folder: name -> path below root."""
  images: dict[str, str] = {}
  for file in images_below(folder):
    path = file.relative_to(root)
    name = path.relative_to('images').with_suffix('').as_posix()
    if name in images:
      raise errors.UserError(
        f'{images[name]} and {path.as_posix()} have the same name; keep one '
        f'of them (in {root})'
      )
    images[name] = path.as_posix()
  return images


def images_below(
  folder: pathlib.Path,
  suffixes: Sequence[str] = IMAGE_SUFFIXES,
  leave_out: pathlib.Path | None = None,
) -> Iterator[pathlib.Path]:
  """Yields the files in a folder, recursively, that have one of the suffixes.

  Links are followed, but each real folder is visited once, so cycles end. Skips
  hidden files and folders (file managers keep thumbnails there) and the folder
  `leave_out`. `suffixes` are in lower case.
  """
  seen = set()
  # Visit links last, so that images keep their paths without links.
  waiting = collections.deque([str(folder)])
  while waiting:
    for parent, folders, files in os.walk(waiting.popleft()):
      real = os.path.realpath(parent)
      if real in seen or pathlib.Path(parent) == leave_out:
        folders.clear()
        continue
      seen.add(real)
      folders[:] = sorted(x for x in folders if not x.startswith('.'))
      below = (os.path.join(parent, x) for x in folders)
      waiting.extend(path for path in below if os.path.islink(path))
      for file in sorted(files):
        path = pathlib.Path(parent, file)
        if (
          not file.startswith('.')
          and path.suffix.lower() in suffixes
          and path.is_file()  # a pipe is not
        ):
          yield path
