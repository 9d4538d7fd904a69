"""Exports the points of a run to another tool, and imports its answers.

  python -m launch.exchange --workdir=DIR --format=NAME --export=FILE
  python -m launch.exchange --workdir=DIR --format=NAME --import=FILE
  python -m launch.exchange --workdir=DIR --format=store --import=OTHER_WORKDIR

docs/EXCHANGE.md describes the formats.
"""

import functools
import pathlib

from absl import flags

from pointsup_jax import command, errors
from pointsup_jax.annotation.exchange import exporting, transfer
from pointsup_jax.annotation.exchange.formats import by_name, words
from pointsup_jax.hosts import object_store
from pointsup_jax.run import carrying, config_file, drawn_points
from pointsup_jax.run import workdir as workdir_lib

_STORE = 'store'
_FORMAT = flags.DEFINE_enum(
  'format', None, [*by_name.FORMATS, _STORE],
  'Of the file; store: the answers of another run, to import.',
)  # fmt: skip
_EXPORT = flags.DEFINE_string(
  'export', None, 'File to write; for labelme and masks, a folder.'
)
_IMPORT = flags.DEFINE_string(
  'import', None,
  'File with answers to record; for store, the folder of a run.',
)  # fmt: skip
_POINTS = flags.DEFINE_enum(
  'points', None, exporting.WHICH,
  'Which points are exported: open ones if not given, for coco, labelme and '
  'masks answered ones.',
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
_ADD_POINTS = flags.DEFINE_bool(
  'add_points', False,
  'Import: also answers to points that this run has not asked; stage 3 learns '
  'from them.',
)  # fmt: skip


def main() -> None:
  """Exports or imports."""
  workdir, format_name = flags.FLAGS['workdir'].value, _FORMAT.value
  if workdir is None or format_name is None:
    raise errors.UsageError('--workdir=DIR and --format=NAME are needed')
  if (_EXPORT.value is None) == (_IMPORT.value is None):
    raise errors.UsageError('either --export=FILE or --import=FILE is needed')
  asked = asked_by(workdir)
  if _EXPORT.value is not None:
    if format_name == _STORE:
      raise errors.UsageError(
        '--format=store is for --import=OTHER_WORKDIR alone'
      )
    transfer.send(
      asked,
      format_name,
      pathlib.Path(_EXPORT.value),
      which=_POINTS.value,
      limit=_LIMIT.value,
      images=pathlib.Path(_IMAGES.value) if _IMAGES.value else None,
      crops_folder=pathlib.Path(_CROPS.value) if _CROPS.value else None,
    )
  elif _IMPORT.value is not None:
    take_in(
      asked,
      format_name,
      pathlib.Path(_IMPORT.value),
      annotator=_ANNOTATOR.value,
      skip_faulty=_SKIP_FAULTY.value,
      add_points=_ADD_POINTS.value,
    )


def take_in(
  asked: transfer.Asked,
  format_name: str,
  path: pathlib.Path,
  *,
  annotator: str = '',
  skip_faulty: bool = False,
  add_points: bool = False,
) -> None:
  """Imports a file, or the answers of the run in a folder."""
  if format_name == _STORE:
    other = workdir_lib.Workdir(path)
    transfer.receive_facts(
      asked,
      carrying.facts_of(other, asked.words.classes.names),
      skip_faulty=skip_faulty,
      add_points=add_points,
    )
  else:
    transfer.receive(
      asked,
      format_name,
      path,
      annotator=annotator,
      skip_faulty=skip_faulty,
      add_points=add_points,
    )


def asked_by(folder: str) -> transfer.Asked:
  """Returns the questions of the run in a workdir.

  Raises:
    errors.UsageError: there is no run, or it has asked nothing yet.
  """
  if object_store.is_remote(folder):
    raise errors.UsageError(
      f'--workdir={folder}: {object_store.to_label(folder)}'
    )
  run = config_file.reopen(workdir_lib.named(folder))
  store = run.workdir.annotations
  if not store.is_file():
    raise errors.UsageError(
      f'{folder} has asked nothing yet (no {store}); run --stage=acquire first'
    )
  height, width = run.config.data.target.size
  return transfer.Asked(
    store,
    (height, width),
    words.Words(run.classes),
    functools.partial(drawn_points.adding, run),
  )


if __name__ == '__main__':
  flags.DEFINE_string('workdir', None, 'Folder of the run.')
  command.run(main)
