"""The mesh on real TPU slices, as laid out by the TPU's own compiler."""

import pytest
import tpu_compiler

SLICES = {'v5e:4x4': 4, 'v6e:4x4': 4, 'v5e:4x8': 8, 'v5p:2x2x2': 2}
ASK = """
import json, sys
import jax
from jax.experimental import topologies
from pointsup_jax.training import sharding

found = {}
for name in sys.argv[1:]:
  devices = topologies.get_topology_desc(
    platform='tpu', topology_name=name
  ).devices
  ours = sharding.mesh(devices)
  rows = sharding.split(ours).devices_indices_map((2 * len(devices),))
  theirs = jax.make_mesh((len(devices),), ('data',), devices=devices)
  found[name] = {
    'rows': sorted(
      (index.start, index.stop, device.process_index)
      for device, (index,) in rows.items()
    ),
    'make_mesh': [device.process_index for device in theirs.devices.flat],
  }
print(json.dumps(found))
"""


@pytest.fixture(scope='module')
def slices():
  return tpu_compiler.run('-c', ASK, *SLICES)


@pytest.mark.parametrize('name', SLICES)
def test_each_process_has_one_run_of_rows_in_the_order_of_processes(
  slices, name
):
  rows, hosts = slices[name]['rows'], SLICES[name]
  begins = [begin for begin, _, _ in rows]
  assert begins == list(range(0, 2 * len(rows), 2))
  assert [process for _, _, process in rows] == sorted(
    list(range(hosts)) * (len(rows) // hosts)
  )


@pytest.mark.parametrize('name', SLICES)
def test_processes_interleave_on_the_torus(slices, name):
  """Otherwise the test above could not fail."""
  assert slices[name]['make_mesh'] != sorted(slices[name]['make_mesh'])
