"""The thread that owns the store."""

import asyncio
import concurrent.futures
import pathlib
from collections.abc import Callable
from typing import TypeVar

from pointsup_jax.annotation import queue as queue_lib
from pointsup_jax.annotation import store as store_lib

T = TypeVar('T')


class StoreThread:
  """Runs work on the queue one at a time; answers never interleave."""

  def __init__(
    self, path: pathlib.Path, num_classes: int, overlap: float
  ) -> None:
    """Opens a store; see `store.Store` and `queue.Queue`."""
    self._thread = concurrent.futures.ThreadPoolExecutor(1)

    def open_queue() -> tuple[store_lib.Store, queue_lib.Queue]:
      store = store_lib.Store(path, num_classes)
      return store, queue_lib.Queue(store, overlap)

    try:
      self._store, self._queue = self._thread.submit(open_queue).result()
    except BaseException:
      self._thread.shutdown()
      raise

  async def do(self, work: Callable[[queue_lib.Queue], T]) -> T:
    """Runs `work` on the queue."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(self._thread, work, self._queue)

  def sizes(self) -> dict[str, tuple[int, int]]:
    """Returns `store.Store.sizes`."""
    return self._thread.submit(self._store.sizes).result()

  def close(self) -> None:
    """Closes the store after pending work."""
    self._thread.submit(self._store.close).result()
    self._thread.shutdown()
