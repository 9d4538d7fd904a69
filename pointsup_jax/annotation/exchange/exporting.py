"""Selects points and writes exports."""

import pathlib
from collections.abc import Iterable, Mapping, Sequence

from pointsup_jax import errors
from pointsup_jax.annotation import comments, queries, records
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

_OPEN = """WHERE answer IS NULL OR answer = 'skip'
  ORDER BY answer IS NOT NULL, image_score DESC, image, position"""
_ANSWERED = "WHERE answer IN ('label', 'unsure')"
# Parts of the view `state`, in the order of an export.
_PARTS = {
  'open': (_OPEN,),
  'answered': (
    f"""{_ANSWERED} OR id IN (SELECT request_id FROM ({queries.comments()}))
    ORDER BY position""",
  ),
  'all': (_OPEN, f'{_ANSWERED} ORDER BY position'),
}
WHICH = tuple(_PARTS)
# Names of Cityscapes omit this suffix.
_ENDING = '_leftImg8bit'


def select(
  store: store_lib.Store, which: str, limit: int | None = None
) -> list[Point]:
  """Returns open points, most valuable first, then answered ones.

  `which` is one of `WHICH`; `limit` is the maximum number.
  """
  said = comments.Comments(store.database).by_request()
  found: list[tuple] = []
  for part in _PARTS[which]:
    found += store.database.query(
      f'SELECT {queries.FIELDS}, answer, label, annotator, seconds, time'
      f' FROM state {part} LIMIT ?',
      -1 if limit is None else limit - len(found),
    )
  return [_point(row, said.get(row[0], {})) for row in found]


def _point(row: tuple, said: Mapping[str, str]) -> Point:
  """From the columns of a request, and of the answer that holds."""
  *request, answer, label, annotator, seconds, time = row
  asked = records.Request(*request)
  entry = records.Entry(asked.id, answer, label, annotator, seconds)
  holds = answer is not None and answer != 'skip'
  return Point(asked, entry if holds else None, tuple(said.items()), time)


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
    digest=_digest(store, size),
    files=(
      {name: ImageFile(f'{name}.png', size) for name in names}
      if images is None
      else find_images(images, names)
    ),
    folder='images' if images is None else images.resolve().name,
  )


def _digest(store: store_lib.Store, size: tuple[int, int]) -> str:
  last = store.newest_round()
  rows = store.database.rows(
    'SELECT id FROM requests WHERE round BETWEEN 1 AND ? ORDER BY id', last
  )
  return points_lib.digest_of((id_ for (id_,) in rows), size, last)


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
