"""Several processes of one run: the first writes, the others are told."""

import jax
import numpy as np


def is_first() -> bool:
  """Whether this process writes what there is one of."""
  # Asking for the index starts the devices; one process alone is the first.
  return not jax.distributed.is_initialized() or jax.process_index() == 0


def from_first(value: np.ndarray) -> np.ndarray:
  """The first process's array on every process.

  Args:
    value: of the same shape and type everywhere; only the first one's content
      counts. All processes have to call this.
  """
  if not jax.distributed.is_initialized():
    return value
  from jax.experimental import multihost_utils

  return np.asarray(multihost_utils.broadcast_one_to_all(value))


def agree(first_says: bool) -> bool:
  """What the first process sees, so that all of them do the same."""
  return bool(from_first(np.array(first_says)))


def wait(what: str) -> None:
  """Waits until all processes are here; `what` names the place."""
  if jax.distributed.is_initialized():
    from jax.experimental import multihost_utils

    multihost_utils.sync_global_devices(what)
