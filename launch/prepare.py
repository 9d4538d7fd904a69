"""Builds what a config reads from disk, once, at the sizes at which it is used.

  python -m launch.prepare --config=configs/NAME.py --config.data.prepared=DIR

DIR is where to, here and in later runs. Archives of GTA5 and Cityscapes are
unpacked first where they lie.
"""

from pointsup_jax import command
from pointsup_jax.data import building


def main() -> None:
  """Builds what is missing."""
  building.build_all(command.config())


if __name__ == '__main__':
  command.run(main)
