"""An open SQLite file: queries, transactions, locks, and one-line errors."""

import contextlib
import pathlib
import sqlite3
from collections.abc import Iterator

from pointsup_jax import errors
from pointsup_jax.hosts import lock


class Database:
  """Of one thread; raises errors.UserError for what the file system does."""

  def __init__(
    self, path: pathlib.Path, connection: sqlite3.Connection
  ) -> None:
    """Takes a connection of `schema`; `path` names it in errors."""
    self._path, self._connection = path, connection

  def close(self) -> None:
    """Closes the file."""
    self._connection.close()

  def query(self, sql: str, *values: object) -> list[tuple]:
    """Runs a statement and returns its rows."""
    with self._reported():
      return self._connection.execute(sql, values).fetchall()

  @contextlib.contextmanager
  def transaction(self) -> Iterator[sqlite3.Connection]:
    """Commits on success, rolls back on failure."""
    with self._reported():
      self._connection.execute('BEGIN IMMEDIATE')
      try:
        yield self._connection
        self._connection.execute('COMMIT')
      except BaseException:
        if self._connection.in_transaction:
          self._connection.execute('ROLLBACK')
        raise

  @contextlib.contextmanager
  def _reported(self) -> Iterator[None]:
    """A full disk, a lock held too long or a damaged file as a user error."""
    try:
      yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
      raise
    except sqlite3.DatabaseError as error:
      raise errors.UserError(
        f'{self._path} cannot be read or written: {error}; fix that and run '
        'the same command again'
      ) from error


def sole_writer(path: pathlib.Path) -> contextlib.AbstractContextManager[bool]:
  """Prevents other processes from recording answers while the block runs.

  The served page caches the store and would miss their answers. Locks a .lock
  file beside the store at `path`, whose folder must exist.

  Raises:
    errors.UserError: another process holds the lock.
  """
  return lock.held(
    path.with_suffix('.lock'),
    'takes answers to these points; if it serves the page, open its link, or '
    'stop it first',
  )
