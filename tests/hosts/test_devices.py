"""Which devices a command has, and an accelerator that it leaves unused."""

import os
import subprocess
import sys

import pytest
from launching import REPOSITORY, STREETS, assert_refused, launch

from pointsup_jax.hosts import devices

# As on a machine whose GPU the installed jax cannot use.
CONNECT = """
from absl import logging
logging.set_verbosity(logging.FATAL)  # as every command does
from jax._src import hardware_utils
hardware_utils.has_visible_nvidia_gpu = lambda: True
from pointsup_jax.hosts import devices
devices.connect()
"""


@pytest.fixture
def connect():
  devices.connect.cache_clear()
  yield devices.connect
  devices.connect.cache_clear()


@pytest.mark.parametrize('chosen', ['', 'cpu'])
def test_a_driver_s_file_is_seen(
  connect, chosen, monkeypatch, tmp_path, capsys
):
  (tmp_path / 'nvidia3').touch()
  monkeypatch.setenv('JAX_PLATFORMS', chosen)
  monkeypatch.setattr(
    devices, '_DRIVERS', {f'{tmp_path}/nvidia[0-9]*': 'an NVIDIA GPU'}
  )
  assert connect().endswith(' x cpu')
  said = capsys.readouterr().err.splitlines()
  assert said[0] == f'devices: {connect()}'
  warned = any('WARNING' in x and f'{tmp_path}/nvidia3' in x for x in said)
  assert warned == (not chosen)  # whoever says cpu means it


def test_the_warning_of_jax_is_passed_on():
  done = subprocess.run(
    [sys.executable, '-c', CONNECT],
    cwd=REPOSITORY,
    env=os.environ | {'JAX_PLATFORMS': ''},
    capture_output=True,
    text=True,
    check=True,
  )
  warnings = [x for x in done.stderr.splitlines() if 'WARNING' in x]
  assert len(warnings) == 1
  assert 'CUDA-enabled jaxlib is not installed' in warnings[0]


@pytest.mark.parametrize('more', [[], ['--multihost=localhost:0,1,0']])
def test_a_device_that_is_not_there_is_one_line(more, tmp_path):
  port = [x.replace(':0,', ':18476,') for x in more]
  done = launch(
    STREETS,
    f'--workdir={tmp_path / "run"}',
    *port,
    env=os.environ | {'JAX_PLATFORMS': 'cuda'},
  )
  assert_refused(done, 1, 'JAX_PLATFORMS=cuda', 'JAX_PLATFORMS=cpu')
  assert not (tmp_path / 'run').exists()
