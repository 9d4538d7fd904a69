"""Checks every file that a config reads, and reports what is in them.

  python -m launch.check --config=configs/NAME.py [--config.FIELD=VALUE ...]

Also draws a sheet of images with their labels over them. Exit code 1: do not
train on these data.
"""

import pathlib

from absl import flags

from pointsup_jax import command
from pointsup_jax.data import inspection

_SHEET = flags.DEFINE_string(
  'sheet', None, 'PNG of examples; runs/check-<config name>.png if not given.'
)


def main() -> None:
  """Inspects the data."""
  config = command.config()
  sheet = _SHEET.value or f'runs/check-{command.config_name()}.png'
  inspection.inspect(config, pathlib.Path(sheet))


if __name__ == '__main__':
  command.run(main)
