"""What a step costs on many devices, predicted from bytes and link speeds.

  python -m benchmarks.scaling_model

A ring all-reduce of B bytes over N devices takes
  2 (N - 1) / N * B / bandwidth + 2 (N - 1) * latency.
Without overlap a step takes its time on one device plus that; with full overlap
the longer of the two. Nothing here is measured on such devices: the step's time
is an assumption, the bandwidths are those that makers give.
"""

import argparse

import jax
import numpy as np

from pointsup_jax.models import deeplab, discriminator

DEVICES = (8, 32, 128, 256)
# Bytes a second in one direction out of a device, and seconds a hop (assumed).
LINKS = {
  # 400 GB/s in both directions: cloud.google.com/tpu/docs/v5e
  'TPU v5e ICI': (200e9, 1e-6),
  # 900 GB/s in both directions: NVIDIA's data sheet of the H100
  'H100 NVLink': (450e9, 2e-6),
  'Ethernet, 400 Gb/s': (50e9, 10e-6),
  'Ethernet, 100 Gb/s': (12.5e9, 10e-6),
}


def main() -> None:
  """Prints the bytes and the table."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument(
    '--step_ms', type=float, default=18.0, help='of one device; assumed'
  )
  options = parser.parse_args()
  found = full_size()
  for name, count in found.items():
    print(f'{name}: {count:,} numbers, {4 * count / 1e6:.1f} MB in float32')
  total = 4 * sum(found.values())
  print(
    f'a step adds up {total / 1e6:.1f} MB; {options.step_ms} ms are assumed'
  )
  print('efficiency without / with overlap')
  print(f'{"":20}' + ''.join(f'{n:>14}' for n in DEVICES))
  for name, (bandwidth, latency) in LINKS.items():
    cells = []
    for devices in DEVICES:
      added = ring(total, devices, bandwidth, latency)
      alone, hidden = efficiency(options.step_ms / 1e3, added)
      cells.append(f'{alone:.0%} / {hidden:.0%}')
    print(f'{name:20}' + ''.join(f'{cell:>14}' for cell in cells))


def full_size() -> dict[str, int]:
  """How many numbers the devices add up in a step of the paper's networks."""
  key = jax.random.key(0)
  network = deeplab.DeepLabV2(19, blocks=(3, 4, 23, 3), width=64, bn='global')
  variables = jax.eval_shape(
    lambda: network.init(key, np.zeros((1, 64, 64, 3)), train=False)
  )
  opponent = discriminator.Discriminator(width=64)
  one = jax.eval_shape(lambda: opponent.init(key, np.zeros((1, 64, 64, 19))))
  return {
    'gradients of the segmenter': count(variables['params']),
    'gradients of two discriminators': 2 * count(one),
    # Means and variances of the source's pass and of the target's.
    'batch statistics': 2 * count(variables['batch_stats']),
  }


def count(tree) -> int:
  """Numbers in a tree of shapes."""
  return sum(int(np.prod(x.shape)) for x in jax.tree.leaves(tree))


def ring(
  nbytes: float, devices: int, bandwidth: float, latency: float
) -> float:
  """Seconds of a ring all-reduce.

  Args:
    nbytes: on every device.
    devices: in the ring.
    bandwidth: bytes a second out of a device.
    latency: seconds from a device to the next.
  """
  hops = 2 * (devices - 1)
  return hops / devices * nbytes / bandwidth + hops * latency


def efficiency(step: float, added: float) -> tuple[float, float]:
  """Of weak scaling, without overlap and with full overlap.

  Args:
    step: seconds on one device.
    added: seconds of the all-reduce.
  """
  return step / (step + added), step / max(step, added)


if __name__ == '__main__':
  main()
