r"""What the host does for a step: the time that a fast device would wait.

  python -m benchmarks.host

All arrays of ResNet-101's training state, but few channels and small images, so
that next to nothing is left to compute. `dispatch` is how long the call of the
compiled step takes to return; `put` moves a pair of full-size images to the
device.
"""

import argparse
import functools
import json
import pathlib
import statistics
import sys
import time

import jax

from benchmarks import full_size, measuring
from pointsup_jax.training import sharding


def main() -> None:
  """Prints the figures and writes them as JSON."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--steps', type=int, default=100)
  parser.add_argument('--blocks', type=int, nargs=4, default=[3, 4, 23, 3])
  parser.add_argument('--out', type=pathlib.Path)
  options = parser.parse_args()
  train_step, player = full_size.train_step(
    blocks=tuple(options.blocks), width=4, discriminator_width=4
  )
  mesh = sharding.mesh()
  init = jax.jit(
    functools.partial(full_size.fresh_state, player),
    out_shardings=sharding.replicated(mesh),
  )
  state = init(jax.random.key(0))
  split = sharding.split(mesh)
  batch = sharding.put(full_size.images(16), split)
  state, metrics = train_step(state, batch)
  jax.block_until_ready(metrics)
  dispatch = []
  for _ in range(options.steps):
    began = time.perf_counter()
    state, metrics = train_step(state, batch)
    dispatch.append(time.perf_counter() - began)
    jax.block_until_ready(metrics)
  large = full_size.images(1)
  put = measuring.alternate(
    {'put': lambda: jax.block_until_ready(sharding.put(large, split))}, 20
  )['put']
  leaves = len(jax.tree.leaves(state))
  programs = train_step._cache_size()
  print(f'dispatch: {measuring.spread(dispatch, " ms", 1e3)}, {leaves} arrays')
  print(f'put: {measuring.spread(put, " ms", 1e3)}')
  print(f'programs compiled for {options.steps + 1} steps: {programs}')
  if options.out:
    found = {
      'device': jax.devices()[0].device_kind,
      'dispatch': statistics.median(dispatch),
      'put': statistics.median(put),
      'arrays': leaves,
      'programs': programs,
    }
    options.out.write_text(json.dumps(found, indent=1))


if __name__ == '__main__':
  sys.exit(main())
