"""Prepares a config's data sets once, at the sizes the network reads them.

  python -m launch.prepare --config=configs/NAME.py --config.data.prepared=DIR

Writes to DIR, which later runs read with the same flag. Archives of GTA5 and
Cityscapes are first unpacked in place.
"""

from pointsup_jax import command
from pointsup_jax.data import building
from pointsup_jax.run import config_check, methods


def main() -> None:
  """Builds what is missing."""
  config = command.config()
  config_check.check(config)
  building.build_all(config, depth=methods.need(config, 'depth'))


if __name__ == '__main__':
  command.run(main)
