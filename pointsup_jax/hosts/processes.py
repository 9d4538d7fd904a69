"""Several processes of one run: the first writes, the others are told.

What they tell each other goes through the store of jax's coordination service,
not through the devices: nothing is compiled for it, and arrays may have any
shape. None of the waits ends by itself if a process is lost: `presence` then
ends the process that waits.
"""

import concurrent.futures
import functools
import io
import itertools
import json
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np

from pointsup_jax import errors
from pointsup_jax.hosts import presence

# Milliseconds: 20 days, of the 24 that fit into the store's type. It is
# `presence` that ends a process which waits in vain: it knows who is missing,
# and whether they get on.
_NEVER = 20 * 24 * 3600 * 1000
_calls = itertools.count()  # the same on all processes of a run
T = TypeVar('T')


def is_first() -> bool:
  """Whether this process writes what there is one of."""
  # Asking for the index starts the devices; one process alone is the first.
  return not jax.distributed.is_initialized() or jax.process_index() == 0


def from_first(value: np.ndarray, what: str) -> np.ndarray:
  """The first process's array on every process.

  Args:
    value: only the first one's counts. All processes have to call this.
    what: it is, to say what is waited for.
  """
  if not jax.distributed.is_initialized():
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
    what: it looks for, to say what is waited for.

  Raises:
    errors.UserError: on all processes, if `find` raised it on the first.
  """
  if not jax.distributed.is_initialized():
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


def _from_first(content: bytes, what: str) -> bytes:
  key = f'from_first/{next(_calls)}/{what}'
  presence.mark(what)
  if is_first():
    presence.store().key_value_set_bytes(key, content)
  else:
    content = _get(key)
  presence.mark()
  return content


def each_says(mine: str, what: str) -> list[str]:
  """What every process says, in their order, on every process."""
  if not jax.distributed.is_initialized():
    return [mine]
  key = f'each_says/{next(_calls)}/{what}'
  presence.mark(what)
  store = presence.store()
  store.key_value_set_bytes(f'{key}/{jax.process_index()}', mine.encode())
  said = [_get(f'{key}/{i}').decode() for i in range(jax.process_count())]
  presence.mark()
  return said


def wait(what: str) -> None:
  """Waits until all processes are here; `what` names the place."""
  if jax.distributed.is_initialized():
    presence.mark(what)
    key = f'wait/{next(_calls)}/{what}'
    store = presence.store()
    in_thread(lambda: store.wait_at_barrier(key, _NEVER)).result()
    presence.mark()


def _get(key: str) -> bytes:
  """A value of the store, as soon as it is there."""
  store = presence.store()
  get = functools.partial(store.blocking_key_value_get_bytes, key, _NEVER)
  return in_thread(get).result()


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
