"""Several processes of one run: the first writes, the others are told.

They talk through their devices, by jax's `multihost_utils`, so all of them have
to make the same calls in the same order. jax looks after them: a process that
is gone ends the others, with an error in Python where a connection breaks, or
else from native code when its heartbeat is missed.
"""

import concurrent.futures
import contextlib
import io
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from pointsup_jax import errors

joined = False  # whether this process is one of several; `joining` sets it
# Seconds that a process which fails waits for the others to fail as well.
_PATIENCE = 10.0
# Seconds that the first one leaves the others to say that one is lost.
_LAST_WORDS = 2.0
# Lengths of messages are rounded up to a power of two, at least this one:
# something is compiled for each.
_SHORTEST = 1024
T = TypeVar('T')


def is_first() -> bool:
  """Whether this process writes what there is one of."""
  # Asking for the index starts the devices; one process alone is the first.
  return not joined or jax.process_index() == 0


def from_first(value: np.ndarray, what: str) -> np.ndarray:
  """The first process's array on every process, of any shape and type.

  Args:
    value: only the first one's counts. All processes have to call this.
    what: it is, to say what was waited for.

  Raises:
    errors.LostProcess: another process is gone.
  """
  if not joined:
    return value
  file = io.BytesIO()
  if is_first():
    np.save(file, value, allow_pickle=False)
  content = _from_first(file.getvalue(), what)
  return np.load(io.BytesIO(content), allow_pickle=False)


def decided(find: Callable[[], Any], what: str) -> Any:
  """What the first process finds, on every process.

  For all that decides what a process does: on a network file system one may
  see a file later than another. All processes have to call this.

  Args:
    find: called by the first process only; gives what JSON knows.
    what: it looks for, to say what was waited for.

  Raises:
    errors.UserError: on all processes, if `find` raised it on the first.
    errors.LostProcess: another process is gone.
  """
  if not joined:
    return find()
  content = b''
  if is_first():
    try:
      content = json.dumps({'found': find()}).encode()
    except errors.UserError as error:
      raised = type(error).__name__, str(error)
      _from_first(json.dumps({'raised': raised}).encode(), what)
      raise
  answer = json.loads(_from_first(content, what))
  if 'raised' in answer:
    name, message = answer['raised']
    raise getattr(errors, name, errors.UserError)(message)
  return answer['found']


def each_says(mine: str, what: str) -> list[str]:
  """What every process says, in their order, on every process."""
  if not joined:
    return [mine]
  gather = multihost_utils.process_allgather
  content = mine.encode()
  sizes = _together(gather, np.uint32(len(content)), what).reshape(-1)
  said = _together(gather, _padded(content, sizes.max()), what)
  return [
    row[:size].tobytes().decode()
    for row, size in zip(np.atleast_2d(said), sizes, strict=True)
  ]


def wait(what: str) -> None:
  """Waits until all processes are here; `what` names the place."""
  if joined:
    _together(multihost_utils.sync_global_devices, what, what)


def _from_first(content: bytes, what: str) -> bytes:
  broadcast = multihost_utils.broadcast_one_to_all
  size = int(_together(broadcast, np.uint32(len(content)), what))
  return _together(broadcast, _padded(content, size), what)[:size].tobytes()


def _padded(content: bytes, size: int) -> np.ndarray:
  """The bytes, and zeros up to a length that is good for so many."""
  room = 1 << (int(size) - 1).bit_length() if size > _SHORTEST else _SHORTEST
  return np.frombuffer(content.ljust(room, b'\0'), np.uint8)


def _together(call: Callable[[Any], Any], value: Any, what: str) -> Any:
  try:
    return in_thread(lambda: call(value)).result()
  except Exception as error:
    if gone := lost(error, f'waiting for {what}'):
      raise gone from error
    raise


def in_thread(call: Callable[[], T]) -> concurrent.futures.Future[T]:
  """Calls what waits in native code, where the main thread hears no signal."""
  future: concurrent.futures.Future[T] = concurrent.futures.Future()

  def run() -> None:
    try:
      future.set_result(call())
    except BaseException as error:
      future.set_exception(error)

  # No pool: it would wait for the call when the process ends.
  threading.Thread(target=run, daemon=True).start()
  return future


def lost(error: Exception, doing: str = 'a step') -> errors.LostProcess | None:
  """What is left to raise if an error says that another process is gone."""
  line = str(error).partition('\n')[0]
  # Which of the two jax raises depends on where the array is looked at.
  if joined and (
    isinstance(error, jax.errors.JaxRuntimeError) or 'Gloo' in line
  ):
    return errors.LostProcess(f'{doing} failed ({line})')
  return None


def leave(code: int) -> NoReturn:
  """Ends this process with an error, which the others may have as well."""
  if not jax.distributed.is_initialized():
    sys.exit(code)
  if joined:
    with contextlib.suppress(TimeoutError, jax.errors.JaxRuntimeError):
      in_thread(jax.distributed.shutdown).result(_PATIENCE)
      sys.exit(code)
  leave_at_once(code)


def leave_behind(code: int) -> NoReturn:
  """Ends this process where another one is gone."""
  # With the first one jax's service ends, and with it those who have not yet
  # said what is wrong.
  if is_first():
    time.sleep(_LAST_WORDS)
  leave_at_once(code)


def leave_at_once(code: int) -> NoReturn:
  """Ends this process; jax would wait for the others first."""
  sys.stdout.flush()
  sys.stderr.flush()
  os._exit(code)
