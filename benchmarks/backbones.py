"""What a training step of each backbone costs beside ResNet-50's.

  python -m benchmarks.backbones                          # operations alone
  python -m benchmarks.backbones --divide=4 --repeats=5   # also memory and time

AdvEnt's step, one image of each domain, at the paper's size or a fraction of
it. Operations are those of the program as written, parameters those of the
segmenter; memory and time are those of the compiled program, and backbones take
turns.
"""

import argparse
import pathlib

from benchmarks import methods
from configs import gta_active

FIRST = 'ResNet-50'
# Fields of config.model.
BACKBONES = {
  FIRST: {'blocks': (3, 4, 6, 3)},
  'ResNet-18': {'block': 'basic', 'blocks': (2, 2, 2, 2)},
  'ResNet-34': {'block': 'basic', 'blocks': (3, 4, 6, 3)},
  'ResNet-101': {'blocks': (3, 4, 23, 3)},
  **{
    name: {'backbone': name}
    for name in (
      *(f'efficientnet_lite{i}' for i in range(3)),
      *(f'mit_b{i}' for i in range(6)),
    )
  },
}


def main() -> None:
  """Prints each backbone's costs as it is lowered, then its times."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--divide', type=int, default=1)
  parser.add_argument('--repeats', type=int, default=0)
  parser.add_argument('--only', nargs='+', choices=BACKBONES, default=[])
  parser.add_argument('--out', type=pathlib.Path)
  options = parser.parse_args()
  chosen = options.only or BACKBONES
  configs = {}
  for name in (FIRST, *(x for x in chosen if x != FIRST)):
    configs[name] = gta_active.get_config('advent')
    configs[name].model.update(BACKBONES[name])
  methods.compare(configs, options.divide, options.repeats, options.out)


if __name__ == '__main__':
  main()
