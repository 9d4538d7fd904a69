"""--multihost: joins the processes of all hosts into one run."""

import concurrent.futures
import functools
import math
import time
from typing import Any

import jax

from pointsup_jax import errors
from pointsup_jax.hosts import devices, processes, stopping, watching

# Seconds for all processes to join: a scheduler may start hosts minutes apart.
PATIENCE = 300.0
# Seconds a process asked to stop waits for the others, which it has to tell.
_STOPPED_PATIENCE = 10.0
# Seconds of silence after which a process counts as lost.
SILENCE = 60.0


def start(value: str, silence: float) -> None:
  """Joins the other processes; must run before anything uses a device.

  Args:
    value: of --multihost; errors.UsageError if it is invalid.
    silence: seconds after which a process counts as lost.

  Raises:
    errors.UserError: the others could not be reached in time.
  """
  if value == 'off':
    return
  where: dict[str, Any] = {}
  if value != 'auto':
    address, count, index = parse(value)
    where = {
      'coordinator_address': address,
      'num_processes': count,
      'process_id': index,
    }
  # What `watching` needs: jax would end all processes where one is lost.
  jax.config.update('jax_enable_recoverability', True)
  join = functools.partial(
    jax.distributed.initialize,
    **where,
    # Longer than ours: on its own timeout jax ends the process natively.
    initialization_timeout=int(2 * PATIENCE),
    heartbeat_timeout_seconds=int(silence),
  )
  try:
    _wait(processes.in_thread(join))
    processes.joined = True
    _connect_devices()
    processes.wait('all')
  except (RuntimeError, ValueError, OSError) as error:
    reason = str(error).partition('\n')[0] or (
      f'not all processes have joined within {PATIENCE:.0f} s'
    )
    raise errors.UserError(
      f'--multihost={value}: {reason}; is the same command running on every '
      "host, and is the first one's address reachable?"
    ) from error
  watching.start(silence)
  stopping.joined()


def _connect_devices() -> None:
  try:
    processes.in_thread(devices.connect).result()
  except errors.UserError:
    processes.joined = False  # nothing goes through the devices
    raise


def _wait(joining: concurrent.futures.Future[None]) -> None:
  began, asked = time.monotonic(), math.inf
  while not concurrent.futures.wait([joining], 0.2).done:
    now = time.monotonic()
    asked = min(asked, now) if stopping.asked_alone() else math.inf
    if now - asked > _STOPPED_PATIENCE:
      raise errors.Stopped
    if now - began > PATIENCE:
      raise TimeoutError
  joining.result()


def parse(value: str) -> tuple[str, int, int]:
  """Parses ADDRESS:PORT,N,I: process 0's address, process count and index.

  Raises errors.UsageError if it has another form.
  """
  try:
    address, count, index = value.split(',')
    host, _, port = address.rpartition(':')
    numbers = int(port), int(count), int(index)
  except ValueError:
    numbers = (0, 0, 0)
    host = ''
  if not host or not 0 < numbers[0] < 65536 or not 0 <= numbers[2] < numbers[1]:
    raise errors.UsageError(
      f'--multihost={value!r} is neither off nor auto nor ADDRESS:PORT,N,I, '
      'such as 10.0.0.2:8476,4,0 on the first of four hosts'
    )
  return address, numbers[1], numbers[2]
