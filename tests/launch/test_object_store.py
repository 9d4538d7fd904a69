"""A run in gs://, killed and continued from nothing but the bucket."""

import pathlib
import subprocess

import pytest
from launching import REPOSITORY, STREETS, TINY, command
from stores import Bucket, serving

from benchmarks import faults

pytest.importorskip('gcsfs', reason='pip install gcsfs: object stores')
RUN = 'gs://bucket/run'
# Kills, by the object that is being written: within a save, at the end of a
# stage (the images are there, what names them is not), and within stage 3.
MOMENTS = (
  'run/uda/checkpoints/4/training/manifest.ocdbt',
  'run/acquire/annotations.sqlite',
  'run/adapt/checkpoints/2/segmenter/commit_success.txt',
)


@pytest.fixture(scope='module')
def bucket():
  with serving() as found:
    yield found


@pytest.fixture(scope='module')
def local(tmp_path_factory) -> pathlib.Path:
  """The same run in a local folder."""
  folder = tmp_path_factory.mktemp('local') / 'run'
  done = subprocess.run(
    command(STREETS, *TINY, f'--workdir={folder}'),
    cwd=REPOSITORY,
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  return folder


def launch(
  bucket: Bucket,
  machine: pathlib.Path,
  *args: object,
  program: str = 'main',
  kill_at: str = '',
) -> subprocess.CompletedProcess:
  """Runs a program on a machine that holds nothing yet.

  Args:
    bucket: what gs:// is.
    machine: an empty folder for its temporary files.
    args: of the program.
    program: of launch.
    kill_at: it is killed as soon as it writes this object; '': never.
  """
  process = subprocess.Popen(
    command(*args, program=program),
    cwd=REPOSITORY,
    env=bucket.environment | {'TMPDIR': str(machine)},
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )

  def kill(name: str) -> None:
    if name == kill_at:
      process.kill()
      process.wait()

  bucket.on_write = kill
  try:
    out, err = process.communicate(timeout=600)
  finally:
    process.kill()
  return subprocess.CompletedProcess(args, process.returncode, out, err)


def test_killed_and_continued_on_new_machines_and_still_the_same(
  bucket, local, tmp_path
):
  for i, moment in enumerate((*MOMENTS, '')):
    machine = tmp_path / f'machine_{i}'
    machine.mkdir()
    done = launch(
      bucket, machine, STREETS, *TINY, f'--workdir={RUN}', kill_at=moment
    )
    assert done.returncode == (-9 if moment else 0), done.stderr
    assert 'Traceback' not in done.stderr, done.stderr
  assert not list(machine.iterdir())
  there = bucket.download('run', tmp_path / 'copy')
  assert faults.compare(faults.results(local), faults.results(there)) == []
  assert not {'run.lock'} & bucket.names('run')
