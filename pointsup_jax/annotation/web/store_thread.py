"""The thread that owns the store."""

import asyncio
import concurrent.futures
import contextlib
import functools
import pathlib
from collections.abc import Callable
from typing import TypeVar

from pointsup_jax import errors
from pointsup_jax.annotation import queue as queue_lib
from pointsup_jax.annotation import schema
from pointsup_jax.annotation import store as store_lib

_BUSY_SECONDS = 3.0  # for another program's lock; browsers try again

T = TypeVar('T')


class StoreThread:
  """Runs work on the queue one at a time; answers never interleave."""

  def __init__(
    self, path: pathlib.Path, num_classes: int, overlap: float
  ) -> None:
    """Opens a store; see `store.Store` and `queue.Queue`."""
    self.path = path
    self._asked = False
    self._thread = concurrent.futures.ThreadPoolExecutor(1)

    def open_queue() -> tuple[store_lib.Store, queue_lib.Queue]:
      connect = functools.partial(schema.connect, busy_seconds=_BUSY_SECONDS)
      store = store_lib.Store(path, num_classes, connect)
      return store, queue_lib.Queue(store, overlap)

    try:
      self._store, self._queue = self._thread.submit(open_queue).result()
    except BaseException:
      self._thread.shutdown()
      raise

  async def tend(self) -> bool:
    """Whether no answers are needed and nobody has asked since the last call.

    Then it completes the file for plain copies.
    """
    idle, self._asked = not self._asked, False

    def work(queue: queue_lib.Queue) -> bool:
      if idle:
        self._store.database.checkpoint()
      return idle and queue.complete

    try:
      return await self._run(work)
    except errors.UserError:  # such as a locked store, as requests are told
      return False

  async def do(self, work: Callable[[queue_lib.Queue], T]) -> T:
    """Runs `work` on the queue."""
    self._asked = True
    return await self._run(work)

  async def _run(self, work: Callable[[queue_lib.Queue], T]) -> T:
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(self._thread, work, self._queue)

  def sizes(self) -> dict[str, tuple[int, int]]:
    """Returns `store.Store.sizes`."""
    return self._thread.submit(self._store.sizes).result()

  def close(self) -> None:
    """Completes the file and closes it after pending work."""
    with contextlib.suppress(errors.UserError):
      self._thread.submit(self._store.database.checkpoint).result()
    self._thread.submit(self._store.close).result()
    self._thread.shutdown()
