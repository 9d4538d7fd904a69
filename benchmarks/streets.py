"""How many scenes a second are drawn on one core, at 256x128?

OMP_NUM_THREADS=1 python -m benchmarks.streets
"""

import statistics
import time

from pointsup_jax.data.streets import scenes

SCENES, REPEATS = 100, 5


def main() -> None:
  """Prints the median rate of each look, and the spread of the repeats."""
  for look in ('game', 'camera'):
    rates = []
    for _ in range(REPEATS):
      began = time.perf_counter()
      for index in range(SCENES):
        scenes.render(look, 'train', index, 0, (128, 256))
      rates.append(SCENES / (time.perf_counter() - began))
    print(
      f'{look}: {statistics.median(rates):.0f} scenes/s '
      f'({min(rates):.0f} to {max(rates):.0f})'
    )


if __name__ == '__main__':
  main()
