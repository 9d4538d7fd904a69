"""Stop requests (Ctrl-C or SIGTERM), which loops check between steps."""

import os
import signal
import threading
from collections.abc import Callable

from jax.experimental import multihost_utils

from pointsup_jax import errors
from pointsup_jax.hosts import processes

_requested = threading.Event()
_looked = 0  # number of checks; equal on all processes


def install() -> None:
  """Makes SIGINT and SIGTERM request a stop; a second one interrupts at once.

  Call it before joining: jax then takes over SIGTERM to tell all processes.
  """
  received = threading.Event()

  def handler(number: int, frame: object) -> None:
    if received.is_set():
      raise KeyboardInterrupt
    received.set()
    if processes.joined:
      os.kill(os.getpid(), signal.SIGTERM)
    else:
      _requested.set()

  for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, handler)


def asked_alone() -> bool:
  """Whether a stop was requested before this process joined the others."""
  return _requested.is_set()


def joined() -> None:
  """Forwards a stop requested before joining to all processes, via jax."""
  if _requested.is_set():
    _requested.clear()
    os.kill(os.getpid(), signal.SIGTERM)


def requested() -> bool:
  """Whether a stop was requested.

  All processes must call this equally often; they see it at the same call.
  """
  global _looked
  if processes.joined and not _requested.is_set():
    _looked += 1
    if multihost_utils.reached_preemption_sync_point(_looked):
      _requested.set()
  return _requested.is_set()


def run_by_first(work: Callable[[], None], what: str) -> None:
  """Runs `work`, which may call `check`, on the first process; the others wait.

  For `what` and errors see `processes.by_first`.
  """
  global _looked

  def looks() -> int:
    work()
    return _looked

  _looked = processes.by_first(looks, what)


def check() -> None:
  """Raises errors.Stopped if a stop was requested."""
  if requested():
    raise errors.Stopped
