"""The threads that own the store: one takes answers, one looks at them."""

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
    """Opens a store, unchecked; see `store.Store` and `queue.Queue`."""
    self.path = path
    self._asked = False
    self._open = functools.partial(
      store_lib.Store,
      path,
      num_classes,
      functools.partial(schema.connect, busy_seconds=_BUSY_SECONDS),
      check=False,
    )
    self._overlap = overlap
    self._thread = concurrent.futures.ThreadPoolExecutor(1)
    self._looking = concurrent.futures.ThreadPoolExecutor(1)
    try:
      self._store = self._thread.submit(self._open).result()
      self._queue = queue_lib.Queue(self._store, overlap)
      self._thread.submit(self._queue.progress).result()
    except BaseException:
      self._thread.shutdown()
      self._looking.shutdown()
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

  async def look(self, work: Callable[[queue_lib.Queue], T]) -> T:
    """Runs `work`, which records nothing, beside answers that are taken."""

    def run() -> T:
      # Opened anew, lest it hold on to a log that was deleted meanwhile.
      with self._store.database.reopening, self._open() as store:
        return work(queue_lib.Queue(store, self._overlap))

    self._asked = True
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(self._looking, run)

  async def _run(self, work: Callable[[queue_lib.Queue], T]) -> T:
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(self._thread, work, self._queue)

  def sizes(self) -> dict[str, tuple[int, int]]:
    """Returns `store.Store.sizes`."""
    return self._thread.submit(self._store.sizes).result()

  def close(self) -> None:
    """Completes the file and closes it after pending work."""
    self._looking.shutdown()
    with contextlib.suppress(errors.UserError):
      self._thread.submit(self._store.database.checkpoint).result()
    self._thread.submit(self._store.close).result()
    self._thread.shutdown()
