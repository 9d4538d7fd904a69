"""What a training step would move and hold on TPUs, by its compiled program.

  pip install libtpu
  python -m benchmarks.tpu_program --out=v5e.json     # a quarter of an hour
  python -m benchmarks.tpu_program --blocks 1 1 1 1   # a few minutes
  python -m benchmarks.tpu_program --set remat=true --beside=v5e.json

Needs no TPU: the TPU compiler runs on any Linux machine. The step is AdvEnt's,
at the paper's size, with one image of each domain a chip. Bytes through HBM
are read from the program's text (`benchmarks/tpu_text.py`); the compiler's own
count has all bytes, of which the larger part stays in VMEM. The least time is
the longer one of all arithmetic at the chip's peak and all bytes at HBM's:
nothing is run, so what a step takes is not known.
"""

import argparse
import collections
import functools
import json
import os
import pathlib
import sys
import time
from typing import Any, NamedTuple

import jax
from jax.experimental import topologies

from benchmarks import full_size, tpu_text
from pointsup_jax.training import sharding


class Chip(NamedTuple):
  """Peaks of one chip: bfloat16 operations and bytes of HBM a second."""

  operations: float
  bytes: float


# cloud.google.com/tpu/docs, of each version.
CHIPS = {
  'v5e': Chip(197e12, 819e9),
  'v5p': Chip(459e12, 2765e9),
  'v6e': Chip(918e12, 1640e9),
}
LARGEST = 12  # arrays in HBM that are listed
TOTALS = {
  'flops': 'operations',
  'bytes accessed': "bytes by the compiler's count",
  'hbm': 'bytes through HBM',
  'memory': 'bytes held at once',
  'least seconds': 'seconds at least',
  'cycles': "cycles by the compiler's estimate",
  'collectives': 'collectives',
  'reduced': 'bytes in collectives',
}


def main() -> int:
  """Compiles, prints the figures, and writes them as JSON."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument(
    '--topology', default='v5e:2x2', help='such as v6e:2x2 or v5p:2x2x1'
  )
  parser.add_argument('--divide', type=int, default=1, help='of both sides')
  parser.add_argument('--blocks', type=int, nargs=4, default=[3, 4, 23, 3])
  parser.add_argument('--images', type=int, default=1, help='a chip')
  parser.add_argument(
    '--set', nargs='*', default=[], help='fields of config.model: dtype=float32'
  )
  parser.add_argument(
    '--beside', type=pathlib.Path, help='JSON to compare with'
  )
  parser.add_argument('--out', type=pathlib.Path)
  parser.add_argument(
    '--text', type=pathlib.Path, help='also write the program as text'
  )
  options = parser.parse_args()
  if options.topology.split(':')[0] not in CHIPS:
    parser.error(
      f'--topology: no peaks of {options.topology}, but of {[*CHIPS]}'
    )
  if wrong := [x for x in options.set if '=' not in x]:
    parser.error(f'--set: {wrong[0]} is not FIELD=VALUE')
  for path in (options.out, options.text):
    if path and not path.parent.is_dir():  # found out before it compiles
      parser.error(f'there is no folder {path.parent}')
  try:
    beside = json.loads(options.beside.read_text()) if options.beside else None
  except (OSError, ValueError) as error:
    parser.error(f'--beside: {error}')
  model = {'dtype': 'bfloat16', 'blocks': tuple(options.blocks)}
  model |= dict(field_of(x) for x in options.set)
  began = time.time()
  compiled = lower(
    options.topology, model, options.divide, options.images
  ).compile()
  print(f'compiled in {time.time() - began:.0f} s', flush=True)
  if options.text:
    options.text.write_text(compiled.as_text())
  found = figures(compiled, CHIPS[options.topology.split(':')[0]])
  found |= {
    'topology': options.topology,
    'model': model,
    'divide': options.divide,
    'images': options.images,
  }
  print('\n'.join(lines(found, beside)))
  if options.out:
    options.out.write_text(json.dumps(found, indent=1))
  return 0


def field_of(setting: str) -> tuple[str, Any]:
  """Of 'remat=true', ('remat', True): the value is JSON, or else text."""
  name, _, value = setting.partition('=')
  try:
    return name, json.loads(value)
  except ValueError:
    return name, value


def lower(
  topology: str, model: dict[str, Any], divide: int, images: int
) -> jax.stages.Lowered:
  """The step of full size over `divide`, for all chips of a topology."""
  jax.config.update('jax_platforms', 'cpu')
  os.environ['TPU_SKIP_MDS_QUERY'] = '1'  # which only machines with TPUs answer
  os.environ['ALLOW_MULTIPLE_LIBTPU_LOAD'] = '1'
  try:
    chips = topologies.get_topology_desc(topology, platform='tpu').devices
  except Exception as error:  # its kind depends on what is missing
    sys.exit(f'no TPU compiler for {topology}; pip install libtpu: {error}')
  mesh = sharding.mesh(chips)
  train_step, player = full_size.train_step(**model)
  state = jax.eval_shape(
    functools.partial(full_size.fresh_state, player), jax.random.key(0)
  )

  def placed(
    x: Any, where: jax.sharding.NamedSharding, times: int = 1
  ) -> jax.ShapeDtypeStruct:
    shape = (times * x.shape[0], *x.shape[1:]) if x.shape else ()
    return jax.ShapeDtypeStruct(shape, x.dtype, sharding=where)

  everywhere = functools.partial(placed, where=sharding.replicated(mesh))
  split = functools.partial(
    placed, where=sharding.split(mesh), times=images * len(chips)
  )
  traced = train_step.trace(
    jax.tree.map(everywhere, state),
    jax.tree.map(split, full_size.images(divide)),
  )
  return traced.lower(lowering_platforms=('tpu',))


def figures(compiled: jax.stages.Compiled, chip: Chip) -> dict[str, Any]:
  """Totals of one chip, bytes through HBM by part, and the largest arrays."""
  costs, program = compiled.cost_analysis(), compiled.as_text()  # of one chip
  assert costs is not None
  assert program is not None
  parts: dict[str, dict[str, int]] = collections.defaultdict(
    lambda: {'operations': 0, 'copies': 0, 'cycles': 0}
  )
  arrays: dict[str, dict[str, Any]] = {}
  collectives = []
  for moved in tpu_text.Program(program).traffic():
    opcode = moved.instruction.opcode
    # To and from VMEM, while something else is computed.
    copied = opcode in ('copy-start', 'slice-start')
    kind = 'copies' if copied else 'operations'
    parts[moved.part][kind] += moved.hbm
    parts[moved.part]['cycles'] += moved.cycles
    for array in moved.instruction.results:
      if array.in_hbm:
        arrays[array.text] = {
          'bytes': array.size,
          'padded': array.size / max(array.bare, 1),
          'part': moved.part,
        }
    if opcode.startswith(('all-', 'reduce-scatter', 'collective-')):
      collectives.append(sum(x.bare for x in moved.instruction.results))
  largest = sorted(arrays.items(), key=lambda x: -x[1]['bytes'])[:LARGEST]
  hbm = sum(x['copies'] + x['operations'] for x in parts.values())
  return {
    'flops': costs['flops'],
    'bytes accessed': costs['bytes accessed'],
    'hbm': hbm,
    'memory': full_size.held(compiled),
    'least seconds': max(costs['flops'] / chip.operations, hbm / chip.bytes),
    'cycles': sum(x['cycles'] for x in parts.values()),
    'collectives': len(collectives),
    'reduced': sum(collectives),
    'parts': dict(parts),
    'largest': dict(largest),
  }


def lines(found: dict[str, Any], beside: dict[str, Any] | None) -> list[str]:
  """The figures as text, with their ratios to others'."""
  text = []
  if beside:
    given = ('topology', 'model', 'divide', 'images')
    text.append(f'in brackets: {[beside[name] for name in given]}')
  for name, title in TOTALS.items():
    line = f'{title}: {found[name]:.4g}'
    if beside and beside[name]:
      line += f' ({found[name] / beside[name]:.2f} of {beside[name]:.4g})'
    text.append(line)
  text.append('GB through HBM by part: operations, copies; share of the cycles')
  cycles = found['cycles'] or 1
  for name, part in sorted(
    found['parts'].items(), key=lambda x: -x[1]['operations'] - x[1]['copies']
  ):
    line = f'  {name}: {moved_by(part)}; {part["cycles"] / cycles:.0%}'
    if beside and name in beside['parts']:
      line += f' (of {moved_by(beside["parts"][name])})'
    text.append(line)
  text.append('largest arrays in HBM, MB, and how many times their own bytes')
  for name, array in found['largest'].items():
    text.append(
      f'  {array["bytes"] / 1e6:.0f} ({array["padded"]:.1f}) {name}'
      f' {array["part"]}'
    )
  return text


def moved_by(part: dict[str, int]) -> str:
  """GB through HBM of a part: by its operations, by copies."""
  return f'{part["operations"] / 1e9:.2f}, {part["copies"] / 1e9:.2f}'


if __name__ == '__main__':
  sys.exit(main())
