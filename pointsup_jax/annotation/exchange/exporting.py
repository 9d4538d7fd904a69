"""Selects points and writes exports."""

import pathlib
from collections.abc import Iterable, Mapping, Sequence

from pointsup_jax import errors
from pointsup_jax.annotation import comments
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.annotation.exchange.formats import by_name
from pointsup_jax.annotation.exchange.formats import exchanged as points_lib
from pointsup_jax.annotation.exchange.formats import words as words_lib
from pointsup_jax.annotation.exchange.formats.exchanged import (
  Export,
  ImageFile,
  Point,
)
from pointsup_jax.data import folders, image_files
from pointsup_jax.hosts import atomic_files, paths, wording

WHICH = ('open', 'answered', 'all')
# Names of Cityscapes omit this suffix.
_ENDING = '_leftImg8bit'


def select(
  store: store_lib.Store, which: str, limit: int | None = None
) -> list[Point]:
  """Returns open points, most valuable first, then answered ones.

  `which` is one of `WHICH`; `limit` is the maximum number.
  """
  current = store.current_answers()
  said = comments.Comments(store.database).by_request()
  chosen = []
  if which in ('open', 'all'):
    chosen += store.unanswered()
  if which in ('answered', 'all'):
    chosen += [
      x
      for x in store.requests()
      if x.id in current or (which == 'answered' and x.id in said)
    ]
  times = dict(store.database.query('SELECT id, time FROM state'))
  return [
    Point(
      x, current.get(x.id), tuple(said.get(x.id, {}).items()), times.get(x.id)
    )
    for x in chosen[:limit]
  ]


def prepare(
  store: store_lib.Store,
  points: Sequence[Point],
  *,
  size: tuple[int, int],
  words: words_lib.Words,
  images: pathlib.Path | None = None,
) -> Export:
  """Collects what the formats write.

  `size` is the (height, width) that the requests refer to. `images` is the
  folder of the images that people look at, of any sizes; None: NAME.png of
  `size`.

  Raises:
    errors.UserError: images are missing or damaged.
  """
  names = list(dict.fromkeys(point.request.image for point in points))
  return Export(
    points=points,
    size=size,
    words=words,
    digest=points_lib.digest(store.requests(), size),
    files=(
      {name: ImageFile(f'{name}.png', size) for name in names}
      if images is None
      else find_images(images, names)
    ),
    folder='images' if images is None else images.resolve().name,
  )


def find_images(
  root: pathlib.Path, names: Iterable[str]
) -> Mapping[str, ImageFile]:
  """Finds the files of images, by name, and reads their sizes.

  Names are paths below `root` without suffix; `root` is images/ of an image
  folder or GTA5, RGB/ of SYNTHIA, leftImg8bit/train/ of Cityscapes.

  Raises:
    errors.UserError: a file is missing or damaged.
  """
  found, missing = {}, []
  for name in names:
    candidates = [
      f'{name}{ending}{suffix}'
      for ending in ('', _ENDING)
      for suffix in (
        *folders.IMAGE_SUFFIXES,
        *map(str.upper, folders.IMAGE_SUFFIXES),
      )
    ]
    path = next((x for x in candidates if (root / x).is_file()), None)
    if path is None:
      missing.append(name)
    else:
      found[name] = ImageFile(path, image_files.header(root, path).size)
  if missing:
    raise errors.UserError(
      f'{root} has no file for {len(missing)} of the images: '
      f'{wording.few(missing)}; --images must be the folder below which these '
      'are paths without .png or .jpg'
    )
  return found


def write(
  export: Export, format_name: str, path: pathlib.Path
) -> list[pathlib.Path]:
  """Writes an export in one of `by_name.FORMATS`, and returns the paths.

  `path` is the file, or the folder if the format has many files. No file is
  replaced.

  Raises:
    errors.UsageError: a file exists.
  """
  chosen = by_name.FORMATS[format_name]
  # What it holds would be read as a part of the export.
  if chosen.alone and path.exists() and not is_empty(path):
    raise errors.UsageError(
      f'{path} exists; remove it or export to another path'
    )
  contents = {
    (
      paths.inside(path, name)
      if chosen.many
      else path.with_name(path.name + name)
    ): content
    for name, content in chosen.write(export)
  }
  for file in contents:
    # It may hold days of work.
    if file.exists():
      raise errors.UsageError(
        f'{file} exists; remove it or export to another path'
      )
  for file, content in contents.items():
    file.parent.mkdir(parents=True, exist_ok=True)
    atomic_files.write(
      file, content.encode() if isinstance(content, str) else content
    )
  return list(contents)


def is_empty(path: pathlib.Path) -> bool:
  """Whether a path is a folder with nothing in it."""
  return path.is_dir() and not any(path.iterdir())
