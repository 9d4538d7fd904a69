"""--multihost: the same command on every host becomes one run."""

import concurrent.futures
import functools
import math
import time
from typing import Any

import jax

from pointsup_jax import errors
from pointsup_jax.hosts import processes, stopping

# Seconds until all processes have to have joined: hosts of a pod do not start
# at the same moment, and a scheduler may take minutes between them.
PATIENCE = 300.0
# One that is asked to stop waits so long for the others, to tell them.
_STOPPED_PATIENCE = 10.0
# Seconds of silence after which a process counts as lost.
SILENCE = 60.0


def start(value: str, silence: float) -> None:
  """Joins the other processes; needs to come before anything uses a device.

  Args:
    value: of --multihost.
    silence: seconds after which a process counts as lost; jax ends the others.

  Raises:
    errors.UserError: the others could not be reached in time.
    errors.UsageError: the value is none.
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
  join = functools.partial(
    jax.distributed.initialize,
    **where,
    # jax would end this process from native code.
    initialization_timeout=int(2 * PATIENCE),
    heartbeat_timeout_seconds=int(silence),
  )
  try:
    _wait(processes.in_thread(join))
    processes.joined = True
    processes.wait('all')  # connects the devices
  except (RuntimeError, ValueError, OSError) as error:
    reason = str(error).partition('\n')[0] or (
      f'not all processes have joined within {PATIENCE:.0f} s'
    )
    raise errors.UserError(
      f'--multihost={value}: {reason}; is the same command running on every '
      "host, and is the first one's address reachable?"
    ) from error
  stopping.joined()


def _wait(joining: concurrent.futures.Future[None]) -> None:
  """Waits until all have joined.

  Raises:
    TimeoutError: they have not in time.
    errors.Stopped: this process was asked to stop, and the others, who have to
      be told, did not come.
  """
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
  """ADDRESS:PORT,N,I: where process 0 listens, how many there are, which one.

  Raises:
    errors.UsageError: it is something else.
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
