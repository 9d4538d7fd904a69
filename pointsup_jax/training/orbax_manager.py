"""What checkpoints need otherwise than Orbax does it."""

import sys
from collections.abc import Callable
from typing import Any

import orbax.checkpoint as ocp


class Manager(ocp.CheckpointManager):
  """Orbax's manager without its own check for a stop.

  All processes must agree on a check's number; Orbax's are steps, and those of
  `hosts.stopping` are not.
  """

  def reached_preemption(self, step: int) -> bool:
    """Always False."""
    return False


def wait_unless_failed(*, key: str, timeout_ms: int) -> None:
  """Orbax's barrier between the processes that write a step.

  Orbax also waits in a `finally` after this process has failed: the others
  would never come, and the error would not surface.
  """
  if (error := sys.exception()) is not None:
    raise error
  ocp.multihost.get_barrier_sync_fn()(key=key, timeout_ms=timeout_ms)


def but_late_writes(hook: Callable) -> Callable:
  """Hides unraisable errors of writes that end after a failed save."""

  def shown(unraisable: Any) -> None:
    # From TensorStore; the save's own error says what was wrong.
    if str(unraisable.exc_value) != 'Event loop is closed':
      hook(unraisable)

  return shown
