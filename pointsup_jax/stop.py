"""A request to stop, by Ctrl-C or SIGTERM, that loops look at between steps."""

import signal
import threading

from pointsup_jax import errors

_requested = threading.Event()


def install() -> None:
  """Lets SIGINT and SIGTERM ask for a stop; a second one ends at once."""

  def handler(number: int, frame: object) -> None:
    if _requested.is_set():
      raise KeyboardInterrupt
    _requested.set()

  for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, handler)


def requested() -> bool:
  """Whether a stop was asked for."""
  return _requested.is_set()


def check() -> None:
  """Raises errors.Stopped if a stop was asked for."""
  if requested():
    raise errors.Stopped('stopped; run the same command again to continue')
