"""Communication between the processes of one run; the first one writes.

It goes through the devices (jax's `multihost_utils`), so all processes must
make the same calls in the same order. If one is lost, `watching` names it and
the others end; if that is the first one, jax itself ends them at once.
"""

import concurrent.futures
import contextlib
import io
import json
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from pointsup_jax import errors
from pointsup_jax.hosts import watching, wording

joined = False  # whether this process is one of several; set by `joining`
# What a process does last; it must not rely on the interpreter's own exit.
leaving = contextlib.ExitStack()
# Seconds a process that ends waits for the others to end as well.
_PATIENCE = 10.0
# Smallest message size; sizes are powers of two to limit recompilation.
_SHORTEST = 1024
T = TypeVar('T')


def is_first() -> bool:
  """Whether this is the first process, which writes shared files."""
  # A single process must not ask jax: that would initialise the devices.
  return not joined or jax.process_index() == 0


def from_first(value: np.ndarray, what: str) -> np.ndarray:
  """Broadcasts the first process's array, of any shape and dtype.

  All processes must call this; `value` is ignored on the others. `what` names
  the array in errors.LostProcess, raised if another process is gone.
  """
  if not joined:
    return value
  file = io.BytesIO()
  if is_first():
    np.save(file, value, allow_pickle=False)
  content = _from_first(file.getvalue(), what)
  return np.load(io.BytesIO(content), allow_pickle=False)


def by_first(find: Callable[[], Any], what: str) -> Any:
  """Calls `find` on the first process and broadcasts its JSON result.

  Use it for anything that control flow depends on: on a network file system,
  processes may see a file at different times. All processes must call this.
  `what` names the result in errors.

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


def from_each(mine: str, what: str) -> list[str]:
  """Gathers a string from every process, in process order, on all of them."""
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
  """Waits for all processes; `what` names the barrier."""
  if joined:
    _together(multihost_utils.sync_global_devices, what, what)


def _from_first(content: bytes, what: str) -> bytes:
  broadcast = multihost_utils.broadcast_one_to_all
  size = int(_together(broadcast, np.uint32(len(content)), what))
  return _together(broadcast, _padded(content, size), what)[:size].tobytes()


def _padded(content: bytes, size: int) -> np.ndarray:
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
  """Runs a blocking native call in a thread; the main one handles signals."""
  future: concurrent.futures.Future[T] = concurrent.futures.Future()

  def run() -> None:
    try:
      future.set_result(call())
    except BaseException as error:
      future.set_exception(error)

  # Not a thread pool, which would wait for the call at process exit.
  threading.Thread(target=run, daemon=True).start()
  return future


def lost(error: Exception, doing: str = 'a step') -> errors.LostProcess | None:
  """The error to raise if `error` means a process is gone, else None."""
  line = wording.first_line(error)
  # Which of the two jax raises depends on where the array is read.
  if joined and (
    isinstance(error, jax.errors.JaxRuntimeError) or 'Gloo' in line
  ):
    return errors.LostProcess(f'{doing} failed ({line})')
  return None


def end() -> None:
  """Ends a run of several processes, which all have to be done."""
  if joined:
    wait('the end')
    leave(0)


def leave(code: int) -> NoReturn:
  """Exits, the first process last: jax ends those whose service is gone."""
  if not joined and not jax.distributed.is_initialized():
    sys.exit(code)
  if joined:
    if is_first():
      watching.wait_until_alone(_PATIENCE)
    with contextlib.suppress(TimeoutError, jax.errors.JaxRuntimeError):
      in_thread(jax.distributed.shutdown).result(_PATIENCE)
  leave_at_once(code)


def leave_at_once(code: int) -> NoReturn:
  """Exits without jax's shutdown, which would wait for the others.

  Also without the interpreter's, which aborts the process if a native thread
  of jax's wakes meanwhile.
  """
  leaving.close()
  sys.stdout.flush()
  sys.stderr.flush()
  os._exit(code)
