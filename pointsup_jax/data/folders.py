"""Finds the image files of a split."""

import codecs
import collections
import os
import pathlib
import unicodedata
from collections.abc import Iterable, Iterator

from pointsup_jax import errors
from pointsup_jax.hosts import wording

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp')
_OTHER_SUFFIXES = (
  '.gif', '.heic', '.heif', '.avif', '.ppm', '.pgm', '.jp2', '.j2k', '.jxl',
  '.tga', '.exr', '.dng', '.npy', '.svg',
)  # fmt: skip
# Where systems and storage servers keep thumbnails, copies and deleted files.
_NOT_OURS = {
  '@eaDir', '@Recycle', '@Recently-Snapshot', '#recycle', '#snapshot',
  '$RECYCLE.BIN', 'System Volume Information', 'lost+found', '__MACOSX',
}  # fmt: skip


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
    lines = decode_text(listing.read_bytes()).splitlines()
  except OSError as error:
    raise errors.UserError(f'{listing} cannot be read: {error}') from error
  except UnicodeDecodeError as error:
    raise errors.UserError(
      f'{listing} cannot be read: {error}; save it as UTF-8'
    ) from error
  listed = [line.strip() for line in lines if line.strip()]
  if not listed:
    raise errors.UserError(f'{listing} is empty; list one name a line')
  images = _images_below(root, root / 'images')
  # Windows writes backslashes; macOS takes letters and their accents apart.
  forms = {_normal(name): name for name in images}
  names = [
    name
    if name in images
    else forms.get(_normal(name.replace('\\', '/')), name)
    for name in listed
  ]
  twice = [name for name, n in collections.Counter(names).items() if n > 1]
  if twice:
    raise errors.UserError(
      f'{listing} has {len(twice)} names more than once: {wording.few(twice)}'
    )
  missing = [name for name in names if name not in images]
  if missing:
    raise errors.UserError(
      f'{listing}: {len(missing)} of {len(names)} names have no image: '
      f'{wording.few(missing)}; names are paths in images/ without suffix'
    )
  return {name: images[name] for name in names}


def decode_text(data: bytes) -> str:
  """Decodes UTF-8, or UTF-16 with its mark, as PowerShell writes it."""
  marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
  return data.decode('utf-16' if data.startswith(marks) else 'utf-8-sig')


def other_files(root: pathlib.Path, split: str) -> list[str]:
  """Lists files of a split's folder that look like images and are not read.

  Empty if the split is a list.
  """
  folder = root / 'images' / split
  if (split and (root / 'splits' / f'{split}.txt').is_file()) or (
    not folder.is_dir()
  ):
    return []
  return [
    file.relative_to(root).as_posix()
    for file in images_below(folder, _OTHER_SUFFIXES)
  ]


def find_beside(
  root: pathlib.Path, names: Iterable[str], folder: str
) -> dict[str, str]:
  """Finds the files of images in 'labels' or 'depth': name -> path below root.

  They need not be there. The suffix may have capitals, and accents another
  Unicode form.
  """
  paths = {name: f'{folder}/{name}.png' for name in names}
  if not (root / folder).is_dir():
    return paths
  lost = [name for name, path in paths.items() if not (root / path).is_file()]
  if lost:
    found = {
      _normal(file.relative_to(root / folder).with_suffix('').as_posix()): (
        file.relative_to(root).as_posix()
      )
      for file in images_below(root / folder, ('.png',))
    }
    paths |= {x: found[_normal(x)] for x in lost if _normal(x) in found}
  return paths


def _normal(name: str) -> str:
  return unicodedata.normalize('NFC', name)


def require_names(paths: Iterable[str], root: pathlib.Path) -> None:
  """Raises errors.UserError for file names that no stage could write down."""
  # Bytes that are not UTF-8 are surrogates, Cs.
  wrong = [
    path
    for path in paths
    if any(unicodedata.category(letter) in ('Cc', 'Cs') for letter in path)
  ]
  if wrong:
    shown = [
      ''.join(x if x.isprintable() else '?' for x in path) for path in wrong
    ]
    raise errors.UserError(
      f'{len(wrong)} file names are not UTF-8 or have control characters: '
      f'{wording.few(shown)}; rename them, for example with convmv (in {root})'
    )


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
  require_names(images.values(), root)
  return images


def images_below(
  folder: pathlib.Path,
  suffixes: tuple[str, ...] = IMAGE_SUFFIXES,
  leave_out: pathlib.Path | None = None,
) -> Iterator[pathlib.Path]:
  """Yields the files in a folder, recursively, that have one of the suffixes.

  Links are followed, but each real folder is visited once, so cycles end. Skips
  hidden files and folders (file managers keep thumbnails there), those of
  storage servers, and the folder `leave_out`. `suffixes` are in lower case.
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
      folders[:] = sorted(
        x for x in folders if not x.startswith('.') and x not in _NOT_OURS
      )
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
