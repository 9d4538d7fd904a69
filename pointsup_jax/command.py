"""Command line of every program: --config, and errors in one line."""

import contextlib
import difflib
import itertools
import json
import os
import pathlib
import runpy
import shlex
import sys
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NoReturn

import ml_collections
from absl import app, flags, logging
from ml_collections import config_flags

from pointsup_jax import errors
from pointsup_jax.hosts import processes, stopping, watching, wording

CONFIG = config_flags.DEFINE_config_file(
  'config', None, 'The experiment, such as configs/streets_active.py.'
)

COMPILATION_CACHE = flags.DEFINE_string(
  'compilation_cache',
  os.path.expanduser('~/.cache/pointsup_jax'),
  'Folder of compiled programs, shared by all runs; empty for none.',
)


def config() -> ml_collections.ConfigDict:
  """Returns the config given by --config, with --config.FIELD overrides."""
  if CONFIG.value is None:
    raise errors.UsageError('--config=configs/NAME.py is needed')
  return without_tildes(CONFIG.value)


def without_tildes(
  config: ml_collections.ConfigDict,
) -> ml_collections.ConfigDict:
  """Expands '~' at the start of paths."""
  for name, value in flatten(config).items():
    if isinstance(value, str) and value.startswith('~'):
      path = os.path.expanduser(value)
      config.update_from_flattened_dict({name: path})
  return config


def config_name() -> str:
  """Name of the config's file, without folder and suffix."""
  path = config_flags.get_config_filename(flags.FLAGS['config'])
  return pathlib.Path(path.split(':')[0]).stem


def run(main: Callable[[], None]) -> None:
  """Parses the flags and runs a program without operands."""

  def without_operands(operands: Sequence[str]) -> None:
    if operands:
      raise errors.UsageError(f'{operands[0]!r} is not a flag; see --help')
    main()

  run_on(without_operands)


def run_on(main: Callable[[Sequence[str]], None]) -> None:
  """Parses the flags and runs a program on its operands."""

  def guarded(argv: Sequence[str]) -> None:
    # Libraries also raise what they log; the user should read one line.
    logging.set_verbosity(logging.FATAL)
    stopping.interrupt()  # unless the command asks for a stop to be requested
    try:
      with explained():
        main(argv[1:])
        processes.end()
    except (errors.UserError, errors.LostProcess) as error:
      fail(error)
    except KeyboardInterrupt:
      print(f'error: {errors.Stopped()}', file=sys.stderr)
      processes.leave_at_once(errors.Stopped.exit_code)

  flags.FLAGS.set_gnu_getopt(True)  # flags may follow operands
  app.run(guarded, flags_parser=parse_flags)


@contextlib.contextmanager
def explained(file: pathlib.Path | None = None) -> Iterator[None]:
  """Turns any unexpected error into a one-line errors.UserError.

  Raises errors.LostProcess instead if another process is the cause. Appends the
  traceback to `file`, or prints it if there is none (not for an OSError).
  """
  try:
    yield
  except (errors.UserError, errors.LostProcess):
    raise
  except Exception as error:
    where, lost = '', processes.lost(error)
    if file is not None:
      with contextlib.suppress(OSError), file.open('a') as opened:
        opened.write(f'{given()}\n{traceback.format_exc()}\n')
        where = f'; the traceback is in {file}'
    if lost:
      raise lost from error
    if isinstance(error, OSError):  # a full disk, a read-only folder
      raise errors.UserError(
        f'{error}; fix that and run the same command again{where}'
      ) from error
    if not where:
      said = wording.printable(traceback.format_exc(), keep='\n')
      print(said, file=sys.stderr)
    raise errors.UserError(
      f'{type(error).__name__}: {str(error).partition(chr(10))[0]}{where}'
    ) from error


def parse_flags(argv: list[str]) -> list[str]:
  """absl's parser, with one-line errors where ml_collections has none."""
  argv = [argv[0], *map(without_tilde, argv[1:])]
  # absl accepts '--flag value' as well as '--flag=value'.
  values: dict[str, str] = {}
  for arg, after in itertools.zip_longest(argv[1:], argv[2:], fillvalue=''):
    if arg.startswith('-'):
      name, equals, value = arg.lstrip('-').partition('=')
      values[name] = value if equals else after
  path, _, row = values.get('config', '').partition(':')
  known = load_config(path, row) if path else ml_collections.ConfigDict()
  try:
    return flags.FLAGS(argv)
  except flags.Error as error:
    fail(errors.UsageError(wording.first_line(error)))
  except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
    typo = unknown_field(list(values), flatten(known))
    fail(errors.UsageError(typo or f'--config: {error}'))


def without_tilde(arg: str) -> str:
  """Expands '~' at the start of a flag's value, which shells leave alone."""
  name, equals, value = arg.partition('=')
  if not (name.startswith('-') and value.startswith('~')):
    return arg
  return f'{name}{equals}{os.path.expanduser(value)}'


def load_config(path: str, row: str) -> ml_collections.ConfigDict:
  """Calls the file's get_config; exits with one line on any mistake."""
  if not pathlib.Path(path).is_file():
    fail(errors.UsageError(f'--config={path}: no such file{_there_are()}'))
  try:
    get_config = runpy.run_path(path)['get_config']
  except (KeyError, SyntaxError, UnicodeDecodeError):
    fail(errors.UsageError(f'--config={path}: this is no config{_there_are()}'))
  try:
    return get_config(row) if row else get_config()
  except (TypeError, ValueError) as error:
    fail(errors.UsageError(f'--config={path}:{row}: {error}'))


def _there_are() -> str:
  found = [
    str(path)
    for path in sorted(pathlib.Path('configs').glob('*.py'))
    if 'def get_config' in path.read_text()
  ]
  return f'; there are {", ".join(found)}' if found else ''


def unknown_field(names: list[str], known: Collection[str]) -> str | None:
  """Describes the first config.FIELD that the config does not have."""
  for name in names:
    field = name.removeprefix('config.')
    if field == name or field in known or not known:
      continue
    leaves = {name.split('.')[-1]: name for name in known}
    leaf = difflib.get_close_matches(field.split('.')[-1], leaves, n=1)
    near = difflib.get_close_matches(field, known, n=1, cutoff=0.0)
    best = leaves[leaf[0]] if leaf else near[0]
    return f'--config.{field}: no such field; did you mean --config.{best}?'
  return None


def use_compilation_cache() -> None:
  """Keeps compiled programs between runs, in --compilation_cache."""
  import jax

  if COMPILATION_CACHE.value:
    jax.config.update('jax_compilation_cache_dir', COMPILATION_CACHE.value)
    jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.5)


def flatten(config: ml_collections.ConfigDict) -> dict[str, object]:
  """All fields by dotted name, with JSON values (tuples become lists)."""
  flat: dict[str, object] = {}

  def visit(prefix: str, value: object) -> None:
    if isinstance(value, dict):
      for key, inner in value.items():
        visit(f'{prefix}.{key}' if prefix else key, inner)
    else:
      flat[prefix] = value

  visit('', json.loads(config.to_json()))
  return flat


def given() -> str:
  """Returns the command line of this process."""
  return shlex.join(['python', '-m', 'launch.main', *sys.argv[1:]])


def again(stage: str) -> str:
  """Returns this command line with another stage, without --overwrite."""
  kept, skip = [], False
  for arg in sys.argv[1:]:
    name, equals, _ = arg.lstrip('-').partition('=')
    if skip or name == 'stage':
      skip = not skip and not equals
    elif name not in ('overwrite', 'discard_answers'):
      kept.append(arg)
  return shlex.join(['python', '-m', 'launch.main', *kept, f'--stage={stage}'])


def fail(error: errors.UserError | errors.LostProcess) -> NoReturn:
  """Prints one line and exits with the error's code."""
  line = str(error)
  if isinstance(error, errors.LostProcess):
    line = error.line(watching.gone())
  # At once: other threads write there.
  sys.stderr.write(f'error: {wording.printable(line)}\n')
  processes.leave(error.exit_code)
