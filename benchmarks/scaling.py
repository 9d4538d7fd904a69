"""Weak scaling: a step of stage 1 on 1 to 4 processes, a fixed batch for each.

  python -m benchmarks.scaling --out=scaling.json

Every process has a core to itself as long as there are cores, and shares them
beyond that (such rows say so). The numbers of processes take turns, so that
other work on the machine hits them alike. Beside the step the time of a plain
all-reduce is measured in the same processes; from it and the bytes that the
compiled step adds up `scaling_model.ring` predicts the efficiency, which is
printed beside the measured one.
"""

import argparse
import functools
import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import full_size, scaling_model
from pointsup_jax.models import norm
from pointsup_jax.training import sharding
from pointsup_jax.types import Batch, Pair

SMALL, LARGE = 1024, 4 * 1024 * 1024  # numbers of the plain all-reduces


def main() -> None:
  """Prints the table and writes the figures as JSON."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--processes', type=int, nargs='+', default=[1, 2, 4])
  parser.add_argument('--repeats', type=int, default=3)
  parser.add_argument('--steps', type=int, default=20)
  parser.add_argument('--batch', type=int, default=2, help='of a process')
  parser.add_argument('--size', type=int, nargs=2, default=[128, 256])
  parser.add_argument('--width', type=int, default=16)
  parser.add_argument('--bn', choices=norm.MODES, default='batch')
  parser.add_argument('--out', type=pathlib.Path)
  parser.add_argument('--member', help=argparse.SUPPRESS)
  options = parser.parse_args()
  if options.member:
    print(json.dumps(measure(options)))
    return
  runs: dict[int, list[dict]] = {n: [] for n in options.processes}
  for _ in range(options.repeats):
    for n, found in runs.items():
      found.append(together(n))
  report = summary(runs)
  show(report)
  if options.out:
    options.out.write_text(json.dumps({'rows': report, 'runs': runs}, indent=1))


def together(processes: int) -> dict:
  """Runs one measurement; gives what the first process found."""
  with socket.create_server(('localhost', 0)) as server:
    port = server.getsockname()[1]
  cores = sorted(os.sched_getaffinity(0))
  members = []
  for i in range(processes):
    core = str(cores[i % len(cores)])
    command = [sys.executable, '-m', 'benchmarks.scaling', *sys.argv[1:]]
    members.append(
      subprocess.Popen(
        [*command, f'--member=localhost:{port},{processes},{i},{core}'],
        stdout=subprocess.PIPE,
        env=os.environ | {'JAX_PLATFORMS': 'cpu'},
        text=True,
      )
    )
  try:
    said = [member.communicate()[0] for member in members]
  finally:
    for member in members:
      member.kill()
  if any(member.returncode for member in members):
    raise SystemExit('a process failed; what it said is above')
  return json.loads(said[0].splitlines()[-1])


def measure(options: argparse.Namespace) -> dict:
  """One process's part: the step's times, its bytes, plain all-reduces."""
  address, n, index, core = options.member.split(',')
  # Before XLA looks how many threads it may start.
  os.sched_setaffinity(0, {int(core)})
  if int(n) > 1:
    jax.distributed.initialize(address, int(n), int(index))
  mesh = sharding.mesh()
  step, state, batch = build(options, mesh)
  compiled = step.lower(state, batch).compile()
  times = []
  for i in range(options.steps + 2):
    began = time.perf_counter()
    state, metrics = compiled(state, batch)
    jax.block_until_ready((state, metrics))
    if i >= 2:  # the first ones warm up
      times.append(time.perf_counter() - began)
  return {
    'step': statistics.median(times),
    'bytes': reduced_bytes(compiled.as_text()) if int(n) > 1 else 0,
    'reductions': len(re.findall(_REDUCE, compiled.as_text())),
    'small': all_reduce(mesh, SMALL),
    'large': all_reduce(mesh, LARGE),
    'load': os.getloadavg()[0],
  }


def build(options: argparse.Namespace, mesh: jax.sharding.Mesh):
  """A compiled step of AdvEnt, its state and its batch, on all devices."""
  step, player = full_size.train_step(
    blocks=(1, 1, 1, 1),
    width=options.width,
    discriminator_width=options.width,
    bn=options.bn,
  )
  everywhere = sharding.replicated(mesh)
  # The values do not matter, and compiling fresh ones takes longer than the
  # rest.
  state = jax.tree.map(
    lambda x: jax.device_put(np.full(x.shape, 0.01, x.dtype), everywhere),
    jax.eval_shape(
      functools.partial(full_size.fresh_state, player), jax.random.key(0)
    ),
  )
  rng = np.random.default_rng(jax.process_index())
  shape = (options.batch, *options.size)

  def images() -> Batch:
    return Batch(
      rng.integers(0, 256, (*shape, 3), dtype=np.uint8),
      rng.integers(0, full_size.CLASSES, shape, dtype=np.uint8),
    )

  batch = sharding.put(Pair(images(), images()), sharding.split(mesh))
  return step, state, batch


_REDUCE = r'= (\S.*?) all-reduce(?:-start)?\('


def reduced_bytes(hlo: str) -> int:
  """Bytes that the all-reduces of a compiled program add up on a device."""
  total = 0
  for shapes in re.findall(_REDUCE, hlo):
    for kind, bits, dims in re.findall(
      r'(pred|[a-z]+)(\d*)\[([\d,]*)\]', shapes
    ):
      numbers = np.prod([int(d) for d in dims.split(',') if d], dtype=int)
      total += int(numbers) * (1 if kind == 'pred' else int(bits) // 8)
  return total


def all_reduce(mesh: jax.sharding.Mesh, numbers: int) -> float:
  """Seconds to add up so many float32 of every process."""
  mine = np.ones((1, numbers), np.float32)
  values = sharding.put(mine, sharding.split(mesh))
  add = jax.jit(
    lambda x: jnp.sum(x, axis=0), out_shardings=sharding.replicated(mesh)
  )
  add(values).block_until_ready()
  times = []
  for _ in range(7):
    began = time.perf_counter()
    add(values).block_until_ready()
    times.append(time.perf_counter() - began)
  return statistics.median(times)


def summary(runs: dict[int, list[dict]]) -> list[dict]:
  """A row for every number of processes, medians over the repeats."""

  def middle(found: list[dict], field: str) -> float:
    return statistics.median(run[field] for run in found)

  cores = len(os.sched_getaffinity(0))
  first = min(runs)
  alone = middle(runs[first], 'step')
  rows = []
  for n, found in runs.items():
    steps = [run['step'] for run in found]
    step = statistics.median(steps)
    # A plain all-reduce is also one pass over the array; small is mostly the
    # wait for the others, which each reduction of a step has.
    small, large = middle(found, 'small'), middle(found, 'large')
    rate = 4 * (LARGE - SMALL) / max(large - small, 1e-9)
    nbytes, reductions = middle(found, 'bytes'), middle(found, 'reductions')
    added = nbytes / rate + reductions * small if n > 1 else 0.0
    rows.append(
      {
        'processes': n,
        'oversubscribed': n > cores,
        'step_ms': 1e3 * step,
        'lowest_ms': 1e3 * min(steps),
        'highest_ms': 1e3 * max(steps),
        'efficiency': alone / step,
        'bytes': nbytes,
        'reductions': reductions,
        'small_ms': 1e3 * small,
        'bytes_a_second': rate,
        'added_ms': 1e3 * added,
        'predicted': scaling_model.efficiency(alone, added)[0],
        'load': middle(found, 'load'),
      }
    )
  return rows


def show(rows: list[dict]) -> None:
  """Prints the rows."""
  print(
    'processes  step ms (lowest to highest)  efficiency  predicted  '
    'MB a step  all-reduces  plain: ms, MB/s  load'
  )
  for row in rows:
    shared = ' (cores shared)' if row['oversubscribed'] else ''
    print(
      f'{row["processes"]}{shared}  {row["step_ms"]:.0f} '
      f'({row["lowest_ms"]:.0f} to {row["highest_ms"]:.0f})  '
      f'{row["efficiency"]:.0%}  {row["predicted"]:.0%}  '
      f'{row["bytes"] / 1e6:.2f}  {row["reductions"]:.0f}  '
      f'{row["small_ms"]:.2f}, {row["bytes_a_second"] / 1e6:.0f}  '
      f'{row["load"]:.1f}'
    )


if __name__ == '__main__':
  main()
