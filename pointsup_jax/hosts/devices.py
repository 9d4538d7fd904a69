"""Connects the devices, and tells which they are."""

import functools
import glob
import logging
import os

import jax

from pointsup_jax import errors
from pointsup_jax.hosts import progress, wording

# Files of drivers, and the accelerators that they are of.
_DRIVERS = {
  '/dev/nvidia[0-9]*': 'an NVIDIA GPU',
  '/dev/dxg': 'a GPU',  # Windows' Linux
  '/dev/kfd': 'an AMD GPU',
  '/dev/accel*': 'a TPU',
  '/dev/vfio/[0-9]*': 'a TPU',
}


@functools.cache
def connect() -> str:
  """Connects the devices and says which; warns of an accelerator left unused.

  Returns their number and kind, as '8 x TPU v5 lite'.

  Raises errors.UserError if jax cannot have those that JAX_PLATFORMS names.
  """
  chosen = os.environ.get('JAX_PLATFORMS', '')
  said = _Said()
  logger = logging.getLogger('jax._src.xla_bridge')
  level, logger.propagate = logger.level, False
  logger.setLevel(logging.WARNING)
  logger.addHandler(said)
  try:
    found = jax.devices()
  except Exception as error:
    which = f'JAX_PLATFORMS={chosen}: ' if chosen else ''
    why = wording.first_line(error) if str(error) else 'there is no such device'
    raise errors.UserError(
      f'{which}jax cannot use the device ({why}); install its jax (README, '
      'Quick start), or set JAX_PLATFORMS=cpu to do without'
    ) from error
  finally:
    logger.removeHandler(said)
    logger.setLevel(level)
    logger.propagate = True
  described = f'{len(found)} x {found[0].device_kind}'
  progress.say(f'devices: {described}')
  if found[0].platform == 'cpu' and chosen != 'cpu':
    _warn(said.lines)
  return described


class _Said(logging.Handler):
  """Keeps what jax says of the devices while it looks for them."""

  def __init__(self) -> None:
    super().__init__()
    self.lines: list[str] = []

  def emit(self, record: logging.LogRecord) -> None:
    """Keeps the first line."""
    self.lines.append(record.getMessage().partition('\n')[0].rstrip('.'))


def _warn(lines: list[str]) -> None:
  """Says that the CPU is used where there seems to be an accelerator."""
  seen = [
    f'{name} ({paths[0]})'
    for pattern, name in _DRIVERS.items()
    if (paths := sorted(glob.glob(pattern)))
  ]
  if seen or lines:
    what = ' and '.join(seen) or 'an accelerator'
    jax_says = f'; jax says: {" ".join(lines)}' if lines else ''
    progress.say(
      f'WARNING: this runs on the CPU, but the machine seems to have {what}'
      f'{jax_says}; install its jax (README, Quick start), or set '
      'JAX_PLATFORMS=cpu if that is what you want'
    )
