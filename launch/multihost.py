"""--multihost: the same command on every host becomes one run."""

import jax

from pointsup_jax import errors

_TIMEOUT = 300  # seconds until a process that is missing is given up


def start(value: str) -> None:
  """Joins the other processes; needs to come before anything uses a device.

  Args:
    value: of --multihost.

  Raises:
    errors.UserError: the others could not be reached in time.
    errors.UsageError: the value is none.
  """
  if value == 'off':
    return
  try:
    if value == 'auto':
      jax.distributed.initialize(initialization_timeout=_TIMEOUT)
    else:
      address, count, index = parse(value)
      jax.distributed.initialize(
        coordinator_address=address,
        num_processes=count,
        process_id=index,
        initialization_timeout=_TIMEOUT,
      )
  except (RuntimeError, ValueError) as error:
    reason = (str(error).splitlines() or [''])[0]
    raise errors.UserError(
      f'--multihost={value}: {reason}; is the same command running on every '
      'host, and is that address reachable?'
    ) from error


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
