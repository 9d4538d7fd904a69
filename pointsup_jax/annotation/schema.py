"""Opens the file of the annotation store, and checks what it holds."""

import contextlib
import functools
import pathlib
import sqlite3
from collections.abc import Iterator

from pointsup_jax import errors
from pointsup_jax.annotation import state, tables

VERSION = 7
_BEFORE_STATE = 6  # as VERSION, without the tables and views of `state`
_TABLES = {'images', 'requests', 'answers'}
_BUSY_SECONDS = 30.0

_WRONG = tables.WRONG | state.WRONG


def checked(
  connection: sqlite3.Connection, path: pathlib.Path, num_classes: int
) -> sqlite3.Connection:
  """Returns an open store, all of whose rows this program can have written.

  Reads them once, a million answers in 3 s. Labels are below `num_classes`, or
  255.

  Raises:
    errors.UserError: for the first other row; the store is closed.
  """
  with _closed_on_failure(connection, path):
    for table, wrong in _WRONG.items():
      found = connection.execute(
        f'SELECT * FROM {table} WHERE {wrong} LIMIT 1',
        (num_classes,) if '?' in wrong else (),
      ).fetchone()
      if found:
        shown = ', '.join(repr(x)[:40] for x in found[:4])
        raise errors.UserError(
          f'{path}: its table {table} has the row ({shown}, ...), which this '
          f'program cannot have written for {num_classes} classes; restore the '
          'file from a copy'
        )
  return connection


def connect(
  path: pathlib.Path, busy_seconds: float = _BUSY_SECONDS
) -> sqlite3.Connection:
  """Opens a store, or creates an empty one if the file does not exist.

  Each statement is its own transaction unless BEGIN is used; commits are
  durable. The folder of `path` must exist. Waits up to `busy_seconds` for the
  locks of other processes.

  Raises:
    errors.UserError: the file cannot be opened or is not a store.
  """
  try:
    connection = sqlite3.connect(
      path, timeout=busy_seconds, isolation_level=None
    )
  except sqlite3.OperationalError as error:
    raise _unusable(path, error) from error
  with _closed_on_failure(connection, path):
    connection.execute('PRAGMA foreign_keys = ON')
    _create_or_check(connection, path)
    # After the check, because WAL mode is stored in the file.
    connection.execute('PRAGMA journal_mode = WAL')
    connection.execute('PRAGMA synchronous = FULL')
  return connection


def connect_to_copy(path: pathlib.Path) -> sqlite3.Connection:
  """Opens a temporary copy of an existing store, changing no file.

  Even a read-only connection would leave write-ahead log files behind. Other
  processes may be writing to the store.

  Raises:
    errors.UserError: the file cannot be opened or is not a store.
  """
  # Without a log nobody has the file open; with one, respect its locks.
  logged = path.with_name(f'{path.name}-wal').exists()
  how = 'mode=ro' if logged else 'immutable=1'
  # On disk, where all of it may not fit in memory; gone when it is closed.
  connection = sqlite3.connect('', isolation_level=None)
  with (
    _closed_on_failure(connection, path),
    contextlib.closing(
      sqlite3.connect(f'{path.absolute().as_uri()}?{how}', uri=True)
    ) as file,
  ):
    file.backup(connection)
    _create_or_check(connection, path)
  return connection


def copy(path: pathlib.Path, to: pathlib.Path) -> None:
  """Writes a store's whole content to a new file, on disk on return.

  Raises:
    errors.UserError: the file cannot be opened or is not a store.
  """
  with (
    contextlib.closing(connect_to_copy(path)) as content,
    contextlib.closing(sqlite3.connect(to)) as file,
  ):
    content.backup(file)


@contextlib.contextmanager
def _closed_on_failure(
  connection: sqlite3.Connection, path: pathlib.Path
) -> Iterator[None]:
  try:
    yield
  except sqlite3.DatabaseError as error:
    connection.close()
    raise _unusable(path, error) from error
  except errors.UserError:
    connection.close()
    raise


def _create_or_check(
  connection: sqlite3.Connection, path: pathlib.Path
) -> None:
  """Creates the tables that are missing, in one transaction."""
  # Views and triggers of a foreign file must not run what they like.
  connection.execute('PRAGMA trusted_schema = OFF')
  if _version(connection, path) == VERSION and not state.is_behind(connection):
    return
  connection.execute('BEGIN IMMEDIATE')
  # Another process may have created them meanwhile.
  version = _version(connection, path)
  if version == 0:
    for statement in tables.SCHEMA:
      connection.execute(statement)
  if version < VERSION or state.is_behind(connection):
    state.build(connection)
  connection.execute(f'PRAGMA user_version = {VERSION}')
  _version(connection, path)
  connection.execute('COMMIT')


def _version(connection: sqlite3.Connection, path: pathlib.Path) -> int:
  """The version of a store, 0 if empty; UserError if it is another file."""
  (version,) = connection.execute('PRAGMA user_version').fetchone()
  found = {
    name
    for (name,) in connection.execute(
      "SELECT name FROM sqlite_master WHERE type = 'table'"
    )
  }
  if not found and not version:
    return 0
  if not found >= _TABLES:
    raise errors.UserError(
      f'{path} is an SQLite file but not an annotation store (no table '
      f'{min(_TABLES - found)}); move it away or use another workdir'
    )
  if version not in (VERSION, _BEFORE_STATE):
    raise errors.UserError(
      f'{path} has version {version} of the annotation store but this program '
      f'reads version {VERSION}; use the program that wrote it'
    )
  others = _objects(connection) ^ _own()
  if version == _BEFORE_STATE:  # `state.build` drops its views
    others = frozenset(x for x in others if x[0] not in _of_state())
  if others:
    raise errors.UserError(
      f'{path} is not as this program makes it: {min(others)[0][:80]!r} was '
      'added, changed or removed; restore the file from a copy, or drop what '
      'you have added'
    )
  return version


def _objects(connection: sqlite3.Connection) -> frozenset[tuple[str, str]]:
  """Tables, indices, views and triggers with their SQL."""
  return frozenset(
    connection.execute(
      "SELECT type || ' ' || name, sql FROM sqlite_master WHERE NOT"
      # What SQLite adds itself, the latter after ANALYZE.
      " (type = 'index' AND sql IS NULL OR"
      " type = 'table' AND name IN ('sqlite_stat1', 'sqlite_stat4'))"
    )
  )


@functools.cache
def _own() -> frozenset[tuple[str, str]]:
  with contextlib.closing(sqlite3.connect(':memory:')) as connection:
    for statement in tables.SCHEMA:
      connection.execute(statement)
    state.build(connection)
    return _objects(connection)


@functools.cache
def _of_state() -> frozenset[str]:
  """Tables, indices, views and triggers that `state.build` makes."""
  words = [statement.split() for statement in state.SCHEMA]
  return frozenset(
    f'{x[2]} {x[3]}'.lower() if x[1] == 'UNIQUE' else f'{x[1]} {x[2]}'.lower()
    for x in words
  )


def _unusable(path: pathlib.Path, error: Exception) -> errors.UserError:
  return errors.UserError(
    f'{path} cannot be opened as an annotation store: {error}; it must be a '
    'file that this program wrote, in a folder that can be written'
  )
