"""python -m launch.main --config=configs/NAME.py: the stages, in order.

Running the same command again continues where it stopped.
"""

import difflib
import os
import pathlib
import runpy
import sys
from collections.abc import Collection, Sequence
from typing import NoReturn

import ml_collections
from absl import app, flags, logging
from ml_collections import config_flags

from pointsup_jax import errors, progress
from pointsup_jax.stages import (
  acquire,
  adapt,
  annotate,
  check,
  evaluate,
  record,
  uda,
)
from pointsup_jax.stages import run as run_lib
from pointsup_jax.stages import workdir as workdir_lib
from pointsup_jax.training import stop

STAGES = {
  'uda': uda.run,
  'acquire': acquire.run,
  'annotate': annotate.run,
  'adapt': adapt.run,
  'evaluate': evaluate.run,
}

_CONFIG = config_flags.DEFINE_config_file(
  'config', None, 'The experiment, such as configs/streets_active.py.'
)
_WORKDIR = flags.DEFINE_string(
  'workdir', None, 'Folder of the run; runs/<config name> if not given.'
)
_STAGE = flags.DEFINE_enum(
  'stage', 'all', ('all', *STAGES), 'Which stage to run.'
)
_OVERWRITE = flags.DEFINE_bool(
  'overwrite', False, 'Delete what the workdir holds and start anew.'
)
_CACHE = flags.DEFINE_string(
  'compilation_cache',
  os.path.expanduser('~/.cache/pointsup_jax'),
  'Folder of compiled programs, shared by all runs; empty for none.',
)


def main(argv: Sequence[str]) -> None:
  """Runs the chosen stages; finished ones are skipped."""
  if len(argv) > 1:
    raise errors.UsageError(f'{argv[1]!r} is not a flag; see --help')
  if _CONFIG.value is None:
    raise errors.UsageError('--config=configs/NAME.py is needed')
  stop.install()
  logging.set_verbosity(logging.WARNING)
  use_compilation_cache(_CACHE.value)
  config = _CONFIG.value
  check.check(config)
  workdir = workdir_lib.Workdir(workdir_path())
  run = run_lib.open_run(config, workdir)
  check.check_classes(config, run.classes.names)
  if _OVERWRITE.value:
    record.clear(workdir)
  record.claim(workdir, config)
  progress.say(f'workdir {workdir.root}')
  for stage in STAGES if _STAGE.value == 'all' else (_STAGE.value,):
    workdir.require_before(stage)
    if workdir.done(stage).exists():
      progress.say(f'{stage}: done before')
      continue
    STAGES[stage](run)
    if stage != 'evaluate':  # it finds out by itself what has been scored
      workdir.mark_done(stage)


def workdir_path() -> pathlib.Path:
  """--workdir, or runs/<config name>."""
  if _WORKDIR.value:
    return pathlib.Path(_WORKDIR.value)
  path = config_flags.get_config_filename(flags.FLAGS['config'])
  return pathlib.Path('runs') / pathlib.Path(path.split(':')[0]).stem


def use_compilation_cache(folder: str) -> None:
  """Keeps compiled programs between runs."""
  import jax

  if folder:
    jax.config.update('jax_compilation_cache_dir', folder)
    jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.5)


def parse_flags(argv: list[str]) -> list[str]:
  """absl's parser, with one line for what ml_collections raises raw."""
  values = dict(arg.lstrip('-').split('=', 1) for arg in argv if '=' in arg)
  path, _, row = values.get('config', '').partition(':')
  if path and not pathlib.Path(path).is_file():
    found = ', '.join(sorted(map(str, pathlib.Path('configs').glob('*.py'))))
    fail(errors.UsageError(f'--config={path}: no such file; there are {found}'))
  config = load_config(path, row) if path else ml_collections.ConfigDict()
  try:
    return flags.FLAGS(argv)
  except flags.Error as error:
    fail(errors.UsageError(str(error).splitlines()[0]))
  except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
    typo = unknown_field(list(values), record.flatten(config))
    fail(errors.UsageError(typo or f'--config: {error}'))


def load_config(path: str, row: str) -> ml_collections.ConfigDict:
  """Calls the file's get_config, as absl will; a row may be unknown to it."""
  get_config = runpy.run_path(path)['get_config']
  try:
    return get_config(row) if row else get_config()
  except (TypeError, ValueError) as error:
    fail(errors.UsageError(f'--config={path}:{row}: {error}'))


def unknown_field(names: list[str], known: Collection[str]) -> str | None:
  """Describes the first config.FIELD that the config does not have."""
  for name in names:
    field = name.removeprefix('config.')
    if field == name or field in known:
      continue
    leaves = {name.split('.')[-1]: name for name in known}
    leaf = difflib.get_close_matches(field.split('.')[-1], leaves, n=1)
    near = difflib.get_close_matches(field, known, n=1, cutoff=0.0)
    best = leaves[leaf[0]] if leaf else near[0]
    return f'--config.{field}: no such field; did you mean --config.{best}?'
  return None


def fail(error: errors.UserError) -> NoReturn:
  """One line, and the exit code."""
  print(f'error: {error}', file=sys.stderr)
  sys.exit(error.exit_code)


def run_main(argv: Sequence[str]) -> None:
  """`main`, with the errors a user can mend as one line."""
  try:
    main(argv)
  except errors.UserError as error:
    fail(error)
  except OSError as error:  # a full disk, a folder that cannot be written
    fail(errors.UserError(str(error)))
  except KeyboardInterrupt:
    fail(stop.Stopped('stopped; run the same command again to continue'))


if __name__ == '__main__':
  app.run(run_main, flags_parser=parse_flags)
