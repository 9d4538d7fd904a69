"""A lock file held by one process at a time, which records its holder."""

import contextlib
import datetime
import fcntl
import os
import pathlib
import socket
from collections.abc import Iterator
from typing import IO

from pointsup_jax import errors
from pointsup_jax.hosts import progress


@contextlib.contextmanager
def held(
  path: pathlib.Path, doing: str, *, shared: bool = False
) -> Iterator[bool]:
  """Holds a lock within the block; it also ends with the process.

  On NFS it excludes other hosts too, unless mounted with local locks.

  Args:
    path: the lock file, which names the holder. It is never deleted: otherwise
      two processes could lock two files of the same name.
    doing: completes 'process 1 ...', the errors.UserError if it is taken.
    shared: excludes only those who do not share it.

  Yields:
    Whether it is locked; False on file systems without locks.
  """
  is_locked = is_first = True
  with path.open('a+') as file:
    try:
      kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
      fcntl.flock(file, kind | fcntl.LOCK_NB)
      is_first = not shared or not _is_shared(file)
    except BlockingIOError as error:
      file.seek(0)
      holder = file.read().strip() or 'of unknown number'
      raise errors.UserError(f'process {holder} {doing} ({path})') from error
    except OSError as error:
      is_locked = False
      progress.say(
        f'{path} cannot be locked ({error.strerror}): take care that no other '
        'process works there'
      )
    if is_first:
      _sign(file)
    yield is_locked


def holder(path: pathlib.Path) -> str | None:
  """Names who holds a lock; None if nobody does or it cannot be told."""
  if not path.exists():
    return None
  with path.open() as file:
    try:
      fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
      return f'process {file.read().strip()}'
    except OSError:
      pass
  return None


def _sign(file: IO[str]) -> None:
  now = datetime.datetime.now(datetime.UTC)
  file.truncate(0)
  file.write(
    f'{os.getpid()} on {socket.gethostname()}, since '
    f'{now:%Y-%m-%d %H:%M:%S} UTC,'
  )
  file.flush()


def _is_shared(file: IO[str]) -> bool:
  """Whether others share our lock: the first of them stays its holder."""
  try:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except BlockingIOError:
    # A failed conversion may have lost it.
    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return True
  fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
  return False
