"""python -m pointsup_jax.annotation.exchange --workdir=DIR --format=NAME ...

With --export=FILE, writes the points of a run for another tool; with
--import=FILE, records the answers that the tool gives back. See
docs/EXCHANGE.md.
"""

import dataclasses
import json
import pathlib
from typing import NamedTuple

from absl import flags

from pointsup_jax import command, errors, object_store, progress
from pointsup_jax.annotation import crops, exporting, importing
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.annotation.formats import table
from pointsup_jax.annotation.formats import words as words_lib
from pointsup_jax.data import classes as classes_lib

_FORMAT = flags.DEFINE_enum('format', None, [*table.FORMATS], 'Of the file.')
_EXPORT = flags.DEFINE_string(
  'export', None, 'File to write; for labelme, a folder.'
)
_IMPORT = flags.DEFINE_string('import', None, 'File with answers to record.')
_POINTS = flags.DEFINE_enum(
  'points', None, exporting.WHICH,
  'Which points are exported: open ones if not given, for coco and labelme '
  'answered ones.',
)  # fmt: skip
_LIMIT = flags.DEFINE_integer(
  'limit', None, 'Export so many points at most, those most worth first.', 1
)
_IMAGES = flags.DEFINE_string(
  'images', None,
  'Export: folder of the original images. If not given, people see images of '
  'the size at which the network does.',
)  # fmt: skip
_CROPS = flags.DEFINE_string(
  'crops', None, 'Folder to write a picture of each point to, for '
  'label_studio_points.',
)  # fmt: skip
_ANNOTATOR = flags.DEFINE_string(
  'annotator', '', 'Import: who answered, where the file does not say.'
)
_SKIP_FAULTY = flags.DEFINE_bool(
  'skip_faulty', False, 'Import what is right though not everything is.'
)


class Asked(NamedTuple):
  """What a workdir says about its points."""

  store: pathlib.Path
  size: tuple[int, int]  # (height, width) in which they count
  words: words_lib.Words


def main() -> None:
  """Exports or imports."""
  workdir, name = flags.FLAGS['workdir'].value, _FORMAT.value
  if workdir is None or name is None:
    raise errors.UsageError('--workdir=DIR and --format=NAME are needed')
  if (_EXPORT.value is None) == (_IMPORT.value is None):
    raise errors.UsageError('either --export=FILE or --import=FILE is needed')
  if object_store.is_remote(workdir):
    raise errors.UsageError(
      f'--workdir={workdir}: {object_store.to_label(workdir)}'
    )
  asked = open_workdir(pathlib.Path(workdir))
  with store_lib.Store(asked.store, asked.words.classes.num_classes) as store:
    if _EXPORT.value is not None:
      send(store, asked, name, pathlib.Path(_EXPORT.value))
    elif _IMPORT.value is not None:
      with store_lib.sole_writer(asked.store):
        receive(store, asked, name, pathlib.Path(_IMPORT.value))


def open_workdir(workdir: pathlib.Path) -> Asked:
  """Reads a run's config.json; see `stages.record` and `stages.workdir`.

  Raises:
    errors.UsageError: there is no run, or it has asked nothing yet.
  """
  path = workdir / 'config.json'
  try:
    config = json.loads(path.read_text())['config']
    names = tuple(config['classes'])
    height, width = config['data.target.size']
    ignore_id = config['ignore_id']
  except OSError as error:
    raise errors.UsageError(
      f'{workdir} holds no run ({path}: {error.strerror}); set --workdir to '
      'that of a run'
    ) from error
  except (ValueError, KeyError, TypeError) as error:
    raise errors.UsageError(
      f"{path} is not a run's config ({error!r}); set --workdir to that of a "
      'run'
    ) from error
  store = workdir / 'acquire' / 'annotations.sqlite'
  if not store.is_file():
    raise errors.UsageError(
      f'{workdir} has asked nothing yet (no {store}); run --stage=acquire first'
    )
  words = words_lib.Words(classes_lib.ClassSet(
    names, palette_of(names), ignore_id
  ))  # fmt: skip
  return Asked(store, (int(height), int(width)), words)


def palette_of(names: tuple[str, ...]) -> tuple[classes_lib.Color, ...]:
  """The usual colours of classes that have some; a workdir keeps none."""
  for known in classes_lib.NAMED.values():
    if known.names == names:
      return known.palette
  return classes_lib.distinct_palette(len(names))


def send(
  store: store_lib.Store, asked: Asked, name: str, path: pathlib.Path
) -> None:
  """Exports the points that were asked for, and says what was written."""
  with_crops = name == 'label_studio_points'
  images = pathlib.Path(_IMAGES.value) if _IMAGES.value else None
  folder = pathlib.Path(_CROPS.value) if _CROPS.value else None
  if with_crops and not (images and folder):
    raise errors.UsageError(
      f'--format={name} needs --images=DIR and --crops=DIR: it shows people a '
      'picture of each point'
    )
  if folder and not with_crops:
    raise errors.UsageError('--crops is for --format=label_studio_points')
  written_only = table.FORMATS[name].read is None
  which = _POINTS.value or ('answered' if written_only else 'open')
  points = exporting.select(store, which, _LIMIT.value)
  if not points:
    raise errors.UserError(
      f'{asked.store} has no {"" if which == "all" else which + " "}points; '
      f'--points is one of {", ".join(exporting.WHICH)}'
    )
  order = exporting.prepare(
    store, points, size=asked.size, words=asked.words, images=images
  )
  if folder:
    order = dataclasses.replace(order, folder=folder.resolve().name)
  files = exporting.write(order, name, path)
  if images and folder:
    crops.write(order, images, folder)
  more = f' and {len(files) - 2} more' if len(files) > 2 else ''
  progress.say(
    f'{len(points)} points in {len(order.files)} images: '
    f'{", ".join(map(str, files[:2]))}{more}'
  )


def receive(
  store: store_lib.Store, asked: Asked, name: str, path: pathlib.Path
) -> None:
  """Records the answers, and says what is still open."""
  done = importing.import_file(
    store,
    path,
    name,
    size=asked.size,
    words=asked.words,
    annotator=_ANNOTATOR.value,
    skip_faulty=_SKIP_FAULTY.value,
  )
  counts = store.counts()
  progress.say(
    f'{done.recorded} answers recorded ({done.known} were known, {done.moved} '
    f'points moved, {done.faulty} faults skipped, {done.untouched} points of '
    f'the file untouched); {counts.requests - counts.answered} of '
    f'{counts.requests} points are still open'
  )


if __name__ == '__main__':
  flags.DEFINE_string('workdir', None, 'Folder of the run.')
  command.run(main)
