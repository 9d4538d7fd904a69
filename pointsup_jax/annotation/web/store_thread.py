"""The threads that own the store: one takes answers, others only read."""

import asyncio
import concurrent.futures
import contextlib
import functools
import pathlib
import threading
from collections.abc import Callable
from typing import TypeVar

from pointsup_jax import errors
from pointsup_jax.annotation import queue as queue_lib
from pointsup_jax.annotation import schema
from pointsup_jax.annotation import store as store_lib

_BUSY_SECONDS = 3.0  # for another program's lock; browsers try again
_STEPS = 100_000  # of SQLite, about 10 ms

T = TypeVar('T')


class StoreThread:
  """Runs work on the queue one at a time; answers never interleave."""

  def __init__(
    self, path: pathlib.Path, num_classes: int, overlap: float
  ) -> None:
    """Opens a store, not yet checked; see `store.Store` and `queue.Queue`."""
    self.path = path
    self._num_classes, self._overlap = num_classes, overlap
    self._asked = False
    self._closing = threading.Event()
    self._connect = functools.partial(
      schema.connect, busy_seconds=_BUSY_SECONDS
    )
    self._thread = concurrent.futures.ThreadPoolExecutor(1)
    self._looking = concurrent.futures.ThreadPoolExecutor(1)
    self._checking = concurrent.futures.ThreadPoolExecutor(1)
    self._look_open, self._check_open = threading.Lock(), threading.Lock()
    try:
      self._store = self._thread.submit(self._open).result()
      self._store.database.others = (self._look_open, self._check_open)
      self._queue = queue_lib.Queue(self._store, overlap)
      self._thread.submit(self._queue.progress).result()
    except BaseException:
      for thread in (self._thread, self._looking, self._checking):
        thread.shutdown()
      raise

  def _open(self) -> store_lib.Store:
    return store_lib.Store(
      self.path, self._num_classes, self._connect, check=False
    )

  def check(self) -> concurrent.futures.Future[None]:
    """Reads all rows of the store while answers are taken.

    The future raises errors.UserError if this program cannot have written one,
    see `schema.checked`.
    """

    def run() -> None:
      with self._check_open:
        connection = self._connect(self.path)
        connection.set_progress_handler(self._closing.is_set, _STEPS)
        schema.checked(connection, self.path, self._num_classes).close()

    return self._checking.submit(run)

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
    """Runs `work`, which records nothing, while answers are taken."""

    def run() -> T:
      if not self.path.exists():  # which would create another
        raise errors.UserError(
          f'{self.path} was moved or deleted while it was open; put it back'
        )
      # Opened anew, lest it holds on to a log that was deleted meanwhile.
      with self._look_open, self._open() as store:
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
    """Completes the file and closes it after pending work; ends a check."""
    self._closing.set()
    self._checking.shutdown()
    self._looking.shutdown()
    with contextlib.suppress(errors.UserError):
      self._thread.submit(self._store.database.checkpoint).result()
    self._thread.submit(self._store.close).result()
    self._thread.shutdown()
