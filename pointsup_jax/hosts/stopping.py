"""A request to stop, by Ctrl-C or SIGTERM, that loops look at between steps."""

import os
import signal
import threading
from collections.abc import Callable

from jax.experimental import multihost_utils

from pointsup_jax import errors
from pointsup_jax.hosts import processes

_requested = threading.Event()
_looked = 0  # how often; the same on all processes of a run


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
    if processes.joined:
      os.kill(os.getpid(), signal.SIGTERM)
    else:
      _requested.set()

  for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, handler)


def asked_alone() -> bool:
  """Whether this process was asked to stop before it joined the others."""
  return _requested.is_set()


def joined() -> None:
  """Tells all processes, through jax, if a stop was asked for before."""
  if _requested.is_set():
    _requested.clear()
    os.kill(os.getpid(), signal.SIGTERM)


def requested() -> bool:
  """Whether a stop was asked for.

  Processes of one run look equally often, and are told at the same look.
  """
  global _looked
  if processes.joined and not _requested.is_set():
    _looked += 1
    if multihost_utils.reached_preemption_sync_point(_looked):
      _requested.set()
  return _requested.is_set()


def by_first(work: Callable[[], None], what: str) -> None:
  """Has the first process work, and look, while the others wait.

  Args:
    work: what it does; errors.UserError that it raises is raised on all.
    what: names it, to say what was waited for.
  """
  global _looked

  def looks() -> int:
    work()
    return _looked

  _looked = processes.decided(looks, what)


def check() -> None:
  """Raises errors.Stopped if a stop was asked for."""
  if requested():
    raise errors.Stopped
