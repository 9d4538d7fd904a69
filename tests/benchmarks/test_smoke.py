"""Every benchmark runs, at a size at which its figures mean nothing."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

REPOSITORY = pathlib.Path(__file__).parents[2]
SMALL_NETWORK = ('--divide=16', '--blocks', '1', '1', '1', '1')


def run(program, out, *args):
  """What a benchmark prints, and its JSON."""
  done = subprocess.run(
    [sys.executable, '-m', f'benchmarks.{program}', *args, f'--out={out}'],
    cwd=REPOSITORY,
    env=os.environ | {'JAX_PLATFORMS': 'cpu'},
    capture_output=True,
    text=True,
    timeout=300,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  return done.stdout, json.loads(out.read_text())


def test_the_step_against_torch(tmp_path):
  pytest.importorskip('torch')
  contenders = (
    'ours float32',
    'torch eager float32',
    'torch channels_last float32',
  )
  said, found = run(
    'step',
    tmp_path / 'step.json',
    *SMALL_NETWORK,
    '--width=8',
    '--repeats=2',
    '--only',
    *contenders,
  )
  # The same arithmetic, so the same losses from the same weights.
  for line in said.splitlines():
    _, _, rest = line.partition(': losses within ')
    if rest:
      assert float(rest.split()[0]) < 1e-4, line
  assert found['seconds'].keys() == set(contenders)
  assert found['ours float32']['flops'] > 1e8


def test_after_the_network(tmp_path):
  # It compares the results of both ways itself.
  said, _ = run(
    'after_the_network',
    tmp_path / 'after.json',
    '--divide=4',
    '--images=2',
    '--repeats=1',
  )
  assert 'acquisition: ' in said
  assert 'evaluation: ' in said


def test_memory(tmp_path):
  _, found = run(
    'memory',
    tmp_path / 'memory.json',
    *SMALL_NETWORK,
    '--only',
    'float32',
    'float32, remat',
  )
  assert found['float32, remat']['flops'] > found['float32']['flops']
  assert found['float32, remat']['kept'] < found['float32']['kept']


def test_convolutions(tmp_path):
  # It compares the results of all ways itself.
  _, found = run(
    'convolutions', tmp_path / 'conv.json', '--divide=16', '--repeats=1'
  )
  assert len(found) == 1 + 6  # the device, and the layers


def test_host_work_and_that_nothing_is_compiled_twice(tmp_path):
  _, found = run(
    'host', tmp_path / 'host.json', *SMALL_NETWORK[1:], '--steps=3'
  )
  assert found['programs'] == 1


def test_start(tmp_path):
  _, found = run(
    'start',
    tmp_path / 'start.json',
    '--repeats=1',
    '--config.data.source.length=4',
    '--config.data.target.length=4',
    '--config.model.width=8',
  )
  assert found['warm'][0] < found['cold'][0]
