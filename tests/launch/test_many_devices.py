"""Devices and processes share the work, and change nothing of the result."""

import shutil
import socket
import sqlite3
import subprocess

import numpy as np
import pytest
from launching import REPOSITORY, STREETS, TINY, command, environment, launch
from PIL import Image

# Six images in batches of four: the last one is uneven.
FLAGS = (
  STREETS,
  *TINY,
  '--config.train.batch_size=4',
  '--config.data.target.length=6',
)


@pytest.fixture(scope='module')
def adapted(tmp_path_factory):
  """A workdir in which stage 1 has finished."""
  workdir = tmp_path_factory.mktemp('run') / 'stage_1'
  done = launch(*FLAGS, '--stage=uda', f'--workdir={workdir}')
  assert done.returncode == 0, done.stderr
  return workdir


@pytest.fixture(scope='module')
def alone(adapted, tmp_path_factory):
  """What one device asks in batches of four."""
  return acquire(adapted, tmp_path_factory.mktemp('alone') / 'run')


def acquire(adapted, workdir, *flags, devices=1, processes=1):
  """Runs stage 2 in a copy of a workdir; gives its requests and labels."""
  shutil.copytree(adapted, workdir)
  port = free_port()
  running = [
    subprocess.Popen(
      command(
        *FLAGS, *flags, '--stage=acquire', f'--workdir={workdir}',
        *([f'--multihost=localhost:{port},{processes},{i}'] * (processes > 1)),
      ),
      cwd=REPOSITORY,
      env=environment(devices),
      stderr=subprocess.PIPE,
      text=True,
    )
    for i in range(processes)
  ]  # fmt: skip
  said = [process.communicate(timeout=300)[1] for process in running]
  assert [process.returncode for process in running] == [0] * processes, said
  requests = sqlite3.connect(workdir / 'acquire/annotations.sqlite').execute(
    'SELECT * FROM requests ORDER BY rowid'
  )
  labels = {
    path.name: np.asarray(Image.open(path))
    for path in (workdir / 'acquire/pseudo_labels').rglob('*.png')
  }
  return requests.fetchall(), labels


def free_port():
  with socket.create_server(('localhost', 0)) as server:
    return server.getsockname()[1]


def assert_same(found, expected):
  # Scores may differ in their last bits: batches of other sizes are added up
  # in another order.
  place = 5
  assert [(*r[:place], *r[place + 1 :]) for r in found[0]] == [
    (*r[:place], *r[place + 1 :]) for r in expected[0]
  ]
  np.testing.assert_allclose(
    [r[place] for r in found[0]], [r[place] for r in expected[0]], rtol=1e-5
  )
  assert found[1].keys() == expected[1].keys()
  for name, labels in expected[1].items():
    np.testing.assert_array_equal(found[1][name], labels)


@pytest.mark.parametrize(
  ('flags', 'devices', 'processes'),
  [
    (('--config.acquire.batch_size=5',), 1, 1),
    ((), 2, 1),
    ((), 4, 1),
    ((), 1, 2),
    (('--config.acquire.batch_size=1',), 1, 2),
  ],
)
def test_requests_are_the_same(
  adapted, alone, tmp_path, flags, devices, processes
):
  found = acquire(
    adapted, tmp_path / 'run', *flags, devices=devices, processes=processes
  )
  assert len(found[0]) == 6 * 10 * 5
  assert_same(found, alone)
