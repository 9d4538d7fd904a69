"""The mesh on real TPU slices, as laid out by the TPU's own compiler.

Needs libtpu, not a TPU: POINTSUP_LIBTPU names a folder with the release that
fits jax (.ci/run makes it). A separate process loads it, because any program
that finds it looks for a TPU.
"""

import json
import os
import subprocess
import sys

import pytest

LIBTPU = os.environ.get('POINTSUP_LIBTPU')
SLICES = {'v5e:4x4': 4, 'v6e:4x4': 4, 'v5e:4x8': 8, 'v5p:2x2x2': 2}
ASK = """
import json, sys
from unittest import mock
import jax
from jax.experimental import topologies
from pointsup_jax.training import sharding

found = {}
for name in sys.argv[1:]:
  devices = topologies.get_topology_desc(
    platform='tpu', topology_name=name
  ).devices
  with mock.patch.object(jax, 'devices', lambda: devices):
    ours = sharding.mesh()
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
  if not LIBTPU:
    pytest.skip('POINTSUP_LIBTPU names no folder with libtpu')
  done = subprocess.run(
    [sys.executable, '-c', ASK, *SLICES],
    capture_output=True,
    text=True,
    check=False,
    env={
      **os.environ,
      'JAX_PLATFORMS': 'cpu',
      'PYTHONPATH': os.pathsep.join([os.getcwd(), LIBTPU]),
      'TPU_SKIP_MDS_QUERY': '1',  # skip the metadata server
      'ALLOW_MULTIPLE_LIBTPU_LOAD': '1',
    },
  )
  assert done.returncode == 0, done.stderr
  return json.loads(done.stdout.splitlines()[-1])


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
