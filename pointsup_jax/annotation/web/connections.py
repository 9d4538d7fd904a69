"""Connections to the page: how many there may be, and how long they may idle.

uvicorn waits for ever for the headers of a request, and asyncio accepts
connections until no file can be opened.
"""

import asyncio
import logging
import os
import resource
import time
from collections.abc import Collection
from typing import Any

from uvicorn.protocols.http import h11_impl

from pointsup_jax.hosts import progress

# Accepted at a time, so that the limit is seen before files run out.
BACKLOG = 4
_MOST = 500
_IDLE_SECONDS = 10.0  # without a whole request
_REQUEST_SECONDS = 300.0  # until the response has been taken


class Protocol(h11_impl.H11Protocol):
  """uvicorn's, of which one idle connection gives way when there are many."""

  most = _MOST
  since = 0.0  # when it was opened or its last response was complete

  def connection_made(  # type: ignore[override]
    self, transport: asyncio.Transport
  ) -> None:
    """Takes in a connection."""
    super().connection_made(transport)
    self.since = time.monotonic()
    if len(self.connections) > self.most:
      # At least this one idles.
      idle: list[Any] = [x for x in self.connections if not _busy(x)]
      min(idle, key=lambda x: x.since).transport.abort()

  def on_response_complete(self) -> None:
    """Waits for the next request."""
    self.since = time.monotonic()
    super().on_response_complete()


def limited() -> type[Protocol]:
  """Returns a protocol that leaves half of the files that can be opened."""
  files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
  left = files - len(os.listdir('/dev/fd'))
  most = max(4, min(_MOST, left // 2))
  return type('Limited', (Protocol,), {'most': most})


def close_late(connections: Collection[Any]) -> None:
  """Closes connections of `Protocol` that have idled or worked too long."""
  now = time.monotonic()
  for one in list(connections):
    if now > one.since + (_REQUEST_SECONDS if _busy(one) else _IDLE_SECONDS):
      one.transport.abort()


def _busy(one: Any) -> bool:
  return one.cycle is not None and not one.cycle.response_complete


class Quiet(logging.Handler):
  """Counts what uvicorn and asyncio log, and says a new error in one line."""

  def __init__(self) -> None:
    super().__init__(logging.WARNING)
    self.counted = 0
    self._said: set[str] = set()

  def emit(self, record: logging.LogRecord) -> None:
    """Takes in a record."""
    # uvicorn logs two lines for an upgrade, this one to say what to install.
    self.counted += 'WebSocket library' not in record.getMessage()
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, Exception):
      line = f'{type(error).__name__}: {error}'.partition('\n')[0][:200]
      self.say_once(f'the page failed to answer a request: {line}')

  def asyncio_failed(
    self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]
  ) -> None:
    """An exception handler for the loop, such as when no file can be opened."""
    self.say_once(f'the page: {context["message"]}')

  def say_once(self, line: str) -> None:
    """Prints a line unless it, or twenty others, were printed before."""
    if line not in self._said and len(self._said) < 20:
      self._said.add(line)
      progress.say(''.join(x if x.isprintable() else '?' for x in line))
