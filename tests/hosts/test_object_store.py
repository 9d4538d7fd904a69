"""The copy of a run that lies in an object store."""

import os
import signal
import subprocess
import sys
import tempfile

import jax.numpy as jnp
import pytest
from etils import epath
from launching import REPOSITORY
from stores import serving

from pointsup_jax import errors
from pointsup_jax.hosts import object_store
from pointsup_jax.training import checkpoint, checksums, learner

gcsfs = pytest.importorskip('gcsfs', reason='pip install gcsfs: object stores')
RUN = 'gs://bucket/runs/a'
FOLDER = 'runs/a'


@pytest.fixture
def bucket(monkeypatch):
  with serving() as found:
    for name, value in found.environment.items():
      monkeypatch.setenv(name, value)
    gcsfs.core.GCSFileSystem.clear_instance_cache()
    yield found


def mirror():
  return object_store.Mirror(RUN, mark='config.json')


def write(folder, **files):
  for name, content in files.items():
    path = folder / name.replace('__', '/').replace('_dot_', '.')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def files(folder):
  return {
    path.relative_to(folder).as_posix(): path.read_text()
    for path in folder.rglob('*')
    if path.is_file()
  }


def test_what_one_process_pushes_is_what_others_and_later_ones_see(bucket):
  first, other = mirror(), mirror()
  write(first.local, config_dot_json='{}', uda__DONE='', a__b__c='1\n')
  first.push()
  assert files(mirror().local) == {
    'config.json': '{}', 'uda/DONE': '', 'a/b/c': '1\n',
  }  # fmt: skip
  other.pull()
  assert files(other.local) == files(first.local)
  write(first.local, a__b__c='1\n2\n')
  (first.local / 'uda/DONE').unlink()
  first.push()
  other.pull()
  assert files(other.local) == {'config.json': '{}', 'a/b/c': '1\n2\n'}
  assert files(mirror().local) == files(other.local)


def test_a_copy_ends_with_its_process_or_with_the_next_one(
  bucket, tmp_path, monkeypatch
):
  monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
  alive = mirror()
  end = 'os.kill(os.getpid(), signal.SIGKILL)'
  for last in ('', end):
    code = (
      'import os, signal\n'
      'from pointsup_jax.hosts import object_store\n'
      f'copy = object_store.Mirror({RUN!r}, mark="config.json")\n'
      f'{last}'
    )
    done = subprocess.run(
      [sys.executable, '-c', code],
      cwd=REPOSITORY,
      env=os.environ | {'TMPDIR': str(tmp_path)},
      check=False,
    )
    assert done.returncode == (-signal.SIGKILL if last else 0)
    assert len(list(tmp_path.iterdir())) == (2 if last else 1)
  beside = tmp_path / 'pointsup_jax_runs'
  beside.mkdir()
  another = mirror()
  assert sorted(tmp_path.iterdir()) == sorted(
    [beside, alive.local.parent, another.local.parent]
  )


def test_what_was_written_from_elsewhere_is_seen(bucket):
  bucket.put(f'{FOLDER}/config.json', b'{}', None)
  first = mirror()
  steps = first.remote / 'uda/checkpoints'
  (first.remote / 'uda').mkdir(parents=True, exist_ok=True)
  assert not steps.is_dir()
  assert [path.name for path in first.remote.iterdir()] == ['config.json']
  bucket.put(f'{FOLDER}/uda/checkpoints/2/big', b'x', None)
  bucket.put(f'{FOLDER}/a', b'x', None)
  assert [path.name for path in steps.iterdir()] == ['2']
  assert {path.name for path in first.remote.iterdir()} == {
    'config.json', 'uda', 'a',
  }  # fmt: skip
  first.pull()
  assert files(first.local) == {'config.json': '{}', 'a': 'x'}


def test_only_what_has_changed_is_written(bucket):
  first = mirror()
  write(first.local, config_dot_json='{}', a='1', b='1')
  first.push()
  later, written = mirror(), []
  bucket.on_write = written.append
  write(later.local, b='22')
  later.push()
  later.push()
  assert written == [f'{FOLDER}/b']


def test_files_that_speak_of_others_come_after_them(bucket):
  first, written = mirror(), []
  bucket.on_write = written.append
  write(
    first.local,
    acquire__DONE='',
    acquire__annotations_dot_sqlite='',
    acquire__pseudo_labels__x_dot_png='',
    acquire__pseudo_labels__a_dot_png='',
    config_dot_json='{}',
  )
  first.push()
  assert [name.rpartition('.')[2] for name in written[:2]] == ['png', 'png']
  assert written[-1] == f'{FOLDER}/acquire/DONE'


def test_checkpoints_and_the_lock_are_not_copied(bucket):
  bucket.put(f'{FOLDER}/uda/checkpoints/2/big', b'x', None)
  bucket.put(f'{FOLDER}/config.json', b'{}', None)
  first = mirror()
  write(first.local, run_dot_lock='me', uda__checkpoints__3__big='y', b='')
  first.push()
  assert bucket.names(FOLDER) == {
    'config.json', 'b', 'uda/checkpoints/2/big',
  }  # fmt: skip
  assert not (mirror().local / 'uda').exists()


def test_a_folder_of_something_else_is_refused(bucket):
  bucket.put(f'{FOLDER}/thesis.tex', b'x', None)
  bucket.put('runs/ab/config.json', b'{}', None)
  with pytest.raises(errors.UsageError, match=r'runs/a is not empty'):
    mirror()


def test_clear_deletes_the_run_alone_and_the_mark_last(bucket):
  for name in ('config.json', 'uda/checkpoints/2/big', 'z'):
    bucket.put(f'{FOLDER}/{name}', b'{}', None)
  bucket.put('runs/ab/config.json', b'{}', None)
  first, left = mirror(), []
  deletes = bucket.delete
  bucket.delete = lambda name: (left.append(name), deletes(name))[1]
  first.clear()
  assert set(bucket.objects) == {'runs/ab/config.json'}
  assert left[-1] == f'{FOLDER}/config.json'
  (first.local / 'z').unlink()
  write(first.local, config_dot_json='{"new": 1}')
  first.push()
  assert bucket.names(FOLDER) == {'config.json'}


def test_the_copy_goes_with_its_owner(bucket):
  first = mirror()
  local = first.local
  assert local.name == 'a'  # reports are named after it
  del first
  assert not local.exists()


@pytest.mark.parametrize('name', ['s3://bucket/a', 'hdfs://x/a', 'gs://'])
def test_other_stores_are_refused(name):
  with pytest.raises(errors.UsageError, match='gs://'):
    object_store.Mirror(name, mark='config.json')


def test_what_is_to_be_installed_is_said(monkeypatch):
  monkeypatch.setitem(sys.modules, 'gcsfs', None)
  with pytest.raises(
    errors.UserError, match=r'needs gcsfs: pip install -r requirements/gcs'
  ):
    mirror()


def test_a_store_that_refuses_a_checkpoint_is_one_line(bucket, monkeypatch):
  """What gcsfs raises has no base in common with what others raise."""

  def refused(folder):
    raise gcsfs.retry.HttpError({'code': 401, 'message': 'Invalid Credentials'})

  monkeypatch.setattr(checksums, 'write', refused)
  empty: dict = {}
  state = learner.State(jnp.int32(1), {'a': jnp.zeros(3)}, empty, empty)
  folder = epath.Path(RUN) / 'checkpoints'
  with (
    pytest.raises(errors.UserError) as caught,
    checkpoint.Checkpoints(folder, keep=1) as checkpoints,
  ):
    checkpoints.save(state)
  message = str(caught.value)
  assert f'{folder}/1 could not be written' in message
  assert 'Invalid Credentials' in message
