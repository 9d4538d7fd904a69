"""Two servers must not hand out the points of one store."""

import contextlib
import fcntl
import os
import pathlib
from collections.abc import Iterator

from pointsup_jax import errors


@contextlib.contextmanager
def held(path: pathlib.Path) -> Iterator[None]:
  """Holds a lock while the block runs; it ends with the process in any case.

  Args:
    path: a file for it, with the number of the process in it; it stays, because
      deleting it would let two processes lock two files of one name.

  Raises:
    errors.UserError: another process holds it.
  """
  with path.open('a+') as file:
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
      file.seek(0)
      raise errors.UserError(
        f'process {file.read().strip() or "?"} serves these points already '
        f'({path}); open its link, or stop it first'
      ) from error
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    yield
