"""--multihost: the same command on every host becomes one run."""

import concurrent.futures
import functools
import time
from typing import Any

import jax

from pointsup_jax import errors
from pointsup_jax.hosts import native_messages, presence, processes, stopping

# Seconds until all processes have to have joined: hosts of a pod do not start
# at the same moment, and a scheduler may take minutes between them.
JOINING = 300.0
_BETWEEN_LOOKS = 0.2
# One that is asked to stop waits so long for the others, to tell them.
_PATIENCE = 10.0


def start(value: str, silence: float) -> None:
  """Joins the other processes; needs to come before anything uses a device.

  Args:
    value: of --multihost.
    silence: seconds after which a process counts as lost.

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
  try:
    join(value, where, silence)
  except (RuntimeError, ValueError, OSError) as error:
    reason = (str(error).splitlines() or [''])[0]
    raise errors.UserError(
      f'--multihost={value}: {reason}; is the same command running on every '
      'host, and is that address reachable?'
    ) from error
  presence.begin(silence)
  native_messages.watch(presence.first_is_lost)
  stopping.joined()


def join(value: str, where: dict[str, Any], silence: float) -> None:
  """Joins the other processes; raises what jax does.

  It ends this process if the others do not come, sooner if it is asked to stop:
  where some are missing jax ends the others from native code.
  """
  joining = processes.in_thread(
    functools.partial(
      jax.distributed.initialize,
      **where,
      initialization_timeout=int(2 * JOINING),
      # `presence` notices a lost process first, and says which.
      heartbeat_timeout_seconds=int(3 * silence),
    )
  )
  began, asked = time.monotonic(), None
  while not concurrent.futures.wait([joining], _BETWEEN_LOOKS).done:
    now = time.monotonic()
    if asked is None and stopping.asked_before_joining():
      asked = now
    if asked is not None and now - asked > _PATIENCE:
      presence.say_and_exit(str(errors.Stopped()), errors.Stopped.exit_code)
    if now - began > JOINING:
      presence.say_and_exit(
        f'--multihost={value}: not all processes have joined within '
        f'{JOINING:.0f} s; is the same command running on every host, and is '
        "the first one's address reachable?"
      )
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
