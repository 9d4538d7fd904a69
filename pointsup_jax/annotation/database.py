"""An open SQLite file: queries, transactions, locks, and one-line errors."""

import contextlib
import pathlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence

from pointsup_jax import errors
from pointsup_jax.hosts import lock


class Database:
  """Of one thread; raises errors.UserError for what the file system does."""

  def __init__(
    self, path: pathlib.Path, connect: Callable[[], sqlite3.Connection]
  ) -> None:
    """Opens the file at `path`, which errors name, with one of `schema`."""
    self._path, self._connect = path, connect
    # Others in this process hold one while they have the file open. If its log
    # was deleted, all must close it before anybody opens it again.
    self.others: Sequence[threading.Lock] = ()
    self._open()

  def _open(self) -> None:
    self._connection = self._connect()
    self._files = self._identities()
    self._connection.create_function('casefold', 1, str.casefold)
    self._kept = 0
    pragma = self._connection.execute('PRAGMA busy_timeout')
    (self._patience,) = pragma.fetchone()
    self._waits = self._patience

  def close(self) -> None:
    """Closes the file."""
    self._connection.close()

  def query(self, sql: str, *values: object, **named: object) -> list[tuple]:
    """Runs a statement and returns its rows."""
    with self._reported():
      return self._connection.execute(sql, named or values).fetchall()

  def rows(self, sql: str, *values: object) -> Iterator[tuple]:
    """Runs a statement, and reads its rows as they are asked for."""
    with self._reported():
      yield from self._connection.execute(sql, values)

  @contextlib.contextmanager
  def transaction(self) -> Iterator[sqlite3.Connection]:
    """Commits on success, rolls back on failure."""
    with self._reported():
      self._stay()
      self._connection.execute('BEGIN IMMEDIATE')
      try:
        yield self._connection
        self._connection.execute('COMMIT')
        self._wait(self._patience)
      except BaseException:
        if self._connection.in_transaction:
          self._connection.execute('ROLLBACK')
        raise

  def checkpoint(self) -> None:
    """Moves what the log holds into the file; then a plain copy is complete.

    Does nothing if nothing was written since, and waits for nobody.
    """
    if self._connection.total_changes != self._kept:
      ((_, logged, moved),) = self.query('PRAGMA wal_checkpoint(PASSIVE)')
      if logged == moved:  # else somebody still reads the file as it was
        self._kept = self._connection.total_changes

  def _identities(self) -> list[tuple[int, int] | None]:
    """What the names of the file and of its log stand for; None: nothing."""
    found: list[tuple[int, int] | None] = []
    for path in (self._path, self._path.with_name(f'{self._path.name}-wal')):
      try:
        status = path.stat()
        found.append((status.st_dev, status.st_ino))
      except OSError:
        found.append(None)
    return found

  def _stay(self) -> None:
    """Writes nothing into files that have lost their names."""
    file, log = self._identities()
    if file != self._files[0]:
      raise errors.UserError(
        f'{self._path} was moved, deleted or replaced while it was open; put '
        'it back: until then nothing is recorded'
      )
    if log != self._files[1]:  # deleted, but all of it can still be saved
      with contextlib.ExitStack() as stack:
        for other in self.others:
          stack.enter_context(other)
        self._connection.execute('PRAGMA wal_checkpoint(TRUNCATE)')
        self._connection.close()
        self._open()

  def _wait(self, milliseconds: int) -> None:
    """Sets how long the locks of others are waited for."""
    if milliseconds != self._waits:
      self._connection.execute(f'PRAGMA busy_timeout = {milliseconds}')
      self._waits = milliseconds

  @contextlib.contextmanager
  def _reported(self) -> Iterator[None]:
    """A full disk, a lock held too long or a damaged file as a user error."""
    try:
      yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
      raise
    except sqlite3.DatabaseError as error:
      code = getattr(error, 'sqlite_errorcode', 0) & 0xFF
      if code == sqlite3.SQLITE_BUSY:
        self._wait(0)  # others need not wait as long for the same lock
        raise errors.UserError(
          f'{self._path} is locked by another program; close that'
        ) from error
      raise errors.UserError(
        f'{self._path} cannot be read or written: {error}; fix that and run '
        'the same command again'
      ) from error


def taking_answers(
  path: pathlib.Path,
) -> contextlib.AbstractContextManager[bool]:
  """Keeps others from deleting the store at `path` while the block runs.

  Several processes may take answers at a time. Locks a .lock file beside the
  store, whose folder must exist.

  Raises:
    errors.UserError: a process deletes it.
  """
  return lock.held(
    path.with_suffix('.lock'), 'deletes these points', shared=True
  )


def sole_writer(
  path: pathlib.Path,
) -> contextlib.AbstractContextManager[bool]:
  """Keeps others from taking answers while the block runs.

  Raises:
    errors.UserError: a process takes them; see `taking_answers`.
  """
  return lock.held(
    path.with_suffix('.lock'),
    'takes answers to these points; if it serves the page, open its link, or '
    'stop it first',
  )
