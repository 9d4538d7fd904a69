"""Stop requests (Ctrl-C, SIGTERM or SIGHUP), checked between steps."""

import os
import select
import signal
import threading
from collections.abc import Callable

from jax.experimental import multihost_utils

from pointsup_jax import errors
from pointsup_jax.hosts import processes

# If set, standard input is a pipe from the command that started this one. It is
# closed when that command ends, however it ends, and this one then stops.
PARENT = 'POINTSUP_JAX_STOP_WITH_STDIN'

_requested = threading.Event()
_looked = 0  # number of checks; equal on all processes


def interrupt() -> None:
  """Makes SIGTERM and SIGHUP interrupt a command at once, as Ctrl-C does."""
  _handle((signal.SIGTERM, signal.SIGHUP), _interrupt)


def install() -> None:
  """Makes SIGINT, SIGTERM and SIGHUP request a stop.

  After any of them, SIGINT or SIGTERM interrupts at once. SIGHUP does not:
  closing a terminal sends two.

  Call it before joining: jax then takes over SIGTERM to tell all processes.
  """
  received = threading.Event()

  def request(number: int) -> None:
    if received.is_set():
      if number != signal.SIGHUP:
        _interrupt(number)
      return
    received.set()
    if processes.joined:
      os.kill(os.getpid(), signal.SIGTERM)
    else:
      _requested.set()

  _handle((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), request)
  if PARENT in os.environ:
    threading.Thread(
      target=_stop_with_parent, args=[received], daemon=True
    ).start()


def _interrupt(number: int) -> None:
  raise KeyboardInterrupt


def _handle(
  numbers: tuple[signal.Signals, ...], act: Callable[[int], None]
) -> None:
  """Has signals call `act`, the first SIGHUP alone, and none under `nohup`."""
  hung_up = threading.Event()

  def handler(number: int, frame: object) -> None:
    if number == signal.SIGHUP:
      if hung_up.is_set():
        return
      hung_up.set()
      _leave_terminal()
    act(number)

  for number in numbers:
    ignored = signal.getsignal(number) == signal.SIG_IGN
    if number != signal.SIGHUP or not ignored:
      signal.signal(number, handler)


def _leave_terminal() -> None:
  """Drops further output if nobody is there to read it: it would be an error.

  A closed terminal also takes the `tee` with it that the output goes to.
  """
  for stream in (1, 2):
    poll = select.poll()
    poll.register(stream, 0)  # a closed reader is reported unasked
    if poll.poll(0):
      with open(os.devnull, 'w') as nowhere:
        os.dup2(nowhere.fileno(), stream)


def _stop_with_parent(received: threading.Event) -> None:
  while os.read(0, 1):
    pass
  if not received.is_set():
    os.kill(os.getpid(), signal.SIGTERM)


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
