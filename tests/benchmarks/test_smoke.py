"""Every benchmark runs, at sizes too small for meaningful figures."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

REPOSITORY = pathlib.Path(__file__).parents[2]
SMALL_NETWORK = ('--divide=16', '--blocks', '1', '1', '1', '1')


@pytest.fixture
def run(tmp_path):
  """Runs a benchmark; returns its output and its JSON."""

  def run(program, *args):
    out = tmp_path / 'found.json'
    done = subprocess.run(
      [sys.executable, '-m', f'benchmarks.{program}', *args, f'--out={out}'],
      cwd=REPOSITORY,
      env=os.environ | {'JAX_PLATFORMS': 'cpu'},
      capture_output=True,
      text=True,
      timeout=600,
      check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(out.read_text())

  return run


def test_the_step_against_torch(run):
  pytest.importorskip('torch')
  kinds = ('ours', 'torch eager', 'torch channels_last')
  contenders = [f'{kind} float32' for kind in kinds]
  args = ('--width=8', '--repeats=2', '--only', *contenders)
  said, found = run('step', *SMALL_NETWORK, *args)
  # Same arithmetic and weights, so the same losses.
  for line in said.splitlines():
    _, _, rest = line.partition(': losses within ')
    if rest:
      assert float(rest.split()[0]) < 1e-4, line
  assert found['seconds'].keys() == set(contenders)
  assert found['ours float32']['flops'] > 1e8


def test_after_the_network(run):
  # The benchmark itself compares the results of both ways.
  args = ('--divide=4', '--images=2', '--repeats=1')
  said, _ = run('after_the_network', *args)
  assert 'acquisition: ' in said
  assert 'evaluation: ' in said


def test_memory(run):
  kinds = ('float32', 'float32, remat')
  _, found = run('memory', *SMALL_NETWORK, '--only', *kinds)
  assert found['float32, remat']['flops'] > found['float32']['flops']
  assert found['float32, remat']['kept'] < found['float32']['kept']


def test_methods(run):
  only = ('--repeats=1', '--width=8', '--only', 'no_adaptation', 'swd')
  said, found = run('methods', *SMALL_NETWORK, *only)
  assert found['no_adaptation']['flops'] < found['advent']['flops']
  assert found['swd']['memory'] > 0
  assert 'swd: ' in said.splitlines()[-1]


def test_backbones(run):
  only = ('--divide=8', '--repeats=1', '--only', 'ResNet-18', 'mit_b0')
  said, found = run('backbones', *only)
  assert found['ResNet-18']['parameters'] < found['ResNet-50']['parameters']
  assert found['mit_b0']['flops'] < found['ResNet-18']['flops']
  assert 'mit_b0: ' in said.splitlines()[-1]


def test_convolutions(run):
  # The benchmark itself compares the results of all ways.
  _, found = run('convolutions', '--divide=16', '--repeats=1')
  assert len(found) == 1 + 6 + 5  # the device, and the layers


def test_host_work_and_that_nothing_is_compiled_twice(run):
  _, found = run('host', *SMALL_NETWORK[1:], '--steps=3')
  assert found['programs'] == 1


def test_start(run):
  lengths = [f'--config.data.{x}.length=4' for x in ('source', 'target')]
  _, found = run('start', '--repeats=1', *lengths, '--config.model.width=8')
  assert found['programs']['cold'][0] > 0
  assert found['programs']['warm'] == [0]


def test_scaling_over_two_processes(run):
  size = ('--batch', '1', '--size', '32', '32', '--width', '4')
  args = ('--processes', '1', '2', '--repeats', '1', '--steps', '2', *size)
  one, two = run('scaling', *args)[1]['rows']
  assert one['bytes'] == 0
  assert one['efficiency'] == 1
  assert two['reductions'] <= 3  # all gradients together
  assert two['bytes'] > 10_000
  assert two['step_ms'] > 0
  assert two['bytes_a_second'] > 0


def test_store(run):
  args = ('--points=2000', '--images=40', '--answers=30', '--annotators=5')
  said, found = run('store', *args)
  assert 'answer, median: ' in said
  assert 0 < found['answer, median'] <= found['answer, 95%']
  assert found['resident'] >= found['base'] > 0


@pytest.mark.skipif(
  not (shutil.which('chromium') and shutil.which('chromedriver')),
  reason='chromium and chromedriver are not installed',
)
def test_page(run):
  said, found = run('page', '--keys=3')
  assert 'key to next point' in said
  assert [one['window'] for one in found] == [[1280, 800], [2560, 1440]]
  for one in found:
    assert one['first_ms'] > 0
    assert len(one['later_ms']) == 3
