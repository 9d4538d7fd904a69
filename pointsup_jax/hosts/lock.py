"""A file that one process at a time holds; whoever comes second is told who."""

import contextlib
import datetime
import fcntl
import os
import pathlib
import socket
from collections.abc import Iterator

from pointsup_jax import errors
from pointsup_jax.hosts import progress


@contextlib.contextmanager
def held(path: pathlib.Path, doing: str) -> Iterator[bool]:
  """Holds a lock while the block runs; it ends with the process in any case.

  On NFS it holds between hosts too, unless that is mounted with local locks.

  Args:
    path: a file for it, with the process in it; it stays, because deleting it
      would let two processes lock two files of one name.
    doing: what the holder does and what another can do, to end 'process 1 ...'.

  Yields:
    Whether it is locked: some network file systems have no locks.

  Raises:
    errors.UserError: another process holds it.
  """
  is_locked = True
  with path.open('a+') as file:
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
    now = datetime.datetime.now(datetime.UTC)
    file.truncate(0)
    file.write(
      f'{os.getpid()} on {socket.gethostname()}, since '
      f'{now:%Y-%m-%d %H:%M:%S} UTC,'
    )
    file.flush()
    yield is_locked
