"""A run in gs://, killed and continued from the bucket alone."""

import json
import pathlib
import subprocess

import forging
import harness
import pytest
from launching import assert_refused, command, start, succeed, tiny
from stores import Bucket, serving

pytest.importorskip('gcsfs', reason='pip install gcsfs: object stores')
RUN = 'gs://bucket/run'
# The written object triggers the kill: in a save, at the end of a stage (with
# images but not their index), and in stage 3.
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
def local(tmp_path_factory, stage_1) -> pathlib.Path:
  folder = stage_1(tmp_path_factory.mktemp('local') / 'run')
  succeed(*tiny(folder))
  return folder


def launch(
  bucket: Bucket, machine: pathlib.Path, *args: object, kill_at: str = ''
) -> subprocess.CompletedProcess:
  """Runs launch.main with `bucket` as gs:// and temporary files in `machine`.

  It is killed as soon as it writes the object `kill_at`; '': never.
  """
  process = start(
    command(*args), env=bucket.environment | {'TMPDIR': str(machine)}
  )

  def kill(name: str) -> None:
    if name == kill_at:
      process.kill()
      process.wait()
      raise ConnectionAbortedError  # and the object is not written

  bucket.on_write = kill
  try:
    out, err = process.communicate(timeout=600)
  finally:
    process.kill()
  return subprocess.CompletedProcess(args, process.returncode, out, err)


@pytest.mark.slow
def test_killed_and_continued_on_new_machines_and_still_the_same(
  bucket, local, tmp_path
):
  for i, moment in enumerate((*MOMENTS, '')):
    machine = tmp_path / f'machine_{i}'
    machine.mkdir()
    done = launch(bucket, machine, *tiny(RUN), kill_at=moment)
    assert done.returncode == (-9 if moment else 0), done.stderr
    assert 'Traceback' not in done.stderr, done.stderr
  assert not list(machine.iterdir())
  there = bucket.download('run', tmp_path / 'copy')
  assert harness.compare(harness.results(local), harness.results(there)) == []
  assert 'run.lock' not in bucket.names('run')


def without_answers(store: bytes, scratch: pathlib.Path) -> bytes:
  """A copy of the store without answers."""
  scratch.write_bytes(store)
  with forging.without_triggers(scratch) as database:
    database.execute('DELETE FROM answers')
  return scratch.read_bytes()


@pytest.mark.slow
def test_people_label_a_local_copy(bucket, local, tmp_path):
  """As the error line suggests: copy, label, copy back, continue."""
  folder = 'gs://bucket/labelled'
  human = tiny(folder, '--config.annotate.oracle=human')
  for path in (local / 'acquire').rglob('*'):
    if path.is_file():
      name = path.relative_to(local).as_posix()
      bucket.put(f'labelled/{name}', path.read_bytes(), None)
  bucket.put('labelled/uda/DONE', b'', None)
  config = json.loads((local / 'config.json').read_text())
  config['config']['annotate.oracle'] = 'human'
  bucket.put('labelled/config.json', json.dumps(config).encode(), None)
  answered = (local / 'acquire/annotations.sqlite').read_bytes()
  asked = without_answers(answered, tmp_path / 'asked.sqlite')
  bucket.put('labelled/acquire/annotations.sqlite', asked, None)
  page = launch(bucket, tmp_path, *human, '--stage=annotate')
  assert_refused(page, 2, 'gcloud storage rsync', folder)
  waits = launch(bucket, tmp_path, *human)
  assert_refused(waits, 3, 'waiting for 200 of 200 labels', 'runs/labelled')
  bucket.put('labelled/acquire/annotations.sqlite', answered, None)
  goes_on = launch(bucket, tmp_path, *human, '--stage=annotate')
  assert goes_on.returncode == 0, goes_on.stderr
  assert 'annotate/DONE' in bucket.names('labelled')
