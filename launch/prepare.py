"""Prepares a config's data sets once, at the sizes the network reads them.

  python -m launch.prepare --config=configs/NAME.py --config.data.prepared=DIR

Writes to DIR, which later runs read with the same flag. Archives of GTA5 and
Cityscapes are first unpacked in place.
"""

from pointsup_jax import command
from pointsup_jax.data import building


def main() -> None:
  """Builds what is missing."""
  building.build_all(command.config())


if __name__ == '__main__':
  command.run(main)
