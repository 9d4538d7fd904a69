"""A request to stop, by Ctrl-C or SIGTERM, that loops look at between steps."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

import jax

from pointsup_jax import errors, presence

_requested = threading.Event()
_looked = 0  # how often; the same on all processes of a run
_alone = False


def install() -> None:
  """Lets SIGINT and SIGTERM ask for a stop; a second one ends at once.

  Before the processes of a run join: jax takes SIGTERM over then, to tell all
  of them.
  """
  received = threading.Event()

  def handler(number: int, frame: object) -> None:
    if received.is_set():
      raise KeyboardInterrupt
    received.set()
    if jax.distributed.is_initialized():
      os.kill(os.getpid(), signal.SIGTERM)
    else:
      _requested.set()

  for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, handler)


def requested() -> bool:
  """Whether a stop was asked for.

  Processes of one run look equally often, and are told at the same look.
  """
  global _looked
  presence.mark()  # also of one that works while the others wait
  if (
    jax.distributed.is_initialized() and not _alone and not _requested.is_set()
  ):
    from jax.experimental import multihost_utils

    _looked += 1
    if multihost_utils.reached_preemption_sync_point(_looked):
      _requested.set()
  return _requested.is_set()


@contextlib.contextmanager
def alone() -> Iterator[None]:
  """Within, this process works while the others wait: looks do not count."""
  global _alone
  _alone = True
  try:
    yield
  finally:
    _alone = False


def check() -> None:
  """Raises errors.Stopped if a stop was asked for."""
  if requested():
    raise errors.Stopped('stopped; run the same command again to continue')
