import os
import signal
import subprocess
import sys
import tempfile

import jax.numpy as jnp
import pytest
import saying
from etils import epath
from launching import REPOSITORY
from stores import serving

from pointsup_jax import errors
from pointsup_jax.hosts import object_store
from pointsup_jax.training import checkpoint, checksums, learner

gcsfs = pytest.importorskip('gcsfs', reason='pip install gcsfs: object stores')
RUN = 'gs://bucket/runs/a'
FOLDER = 'runs/a'
COPY = f"""
import os, signal
from pointsup_jax.hosts import object_store
copy = object_store.Mirror({RUN!r}, mark='config.json')
"""


@pytest.fixture
def bucket(monkeypatch):
  with serving() as found:
    for name, value in found.environment.items():
      monkeypatch.setenv(name, value)
    gcsfs.core.GCSFileSystem.clear_instance_cache()
    yield found


def mirror():
  return object_store.Mirror(RUN, mark='config.json')


def write(folder, files):
  for name, content in files.items():
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content)


def files(folder):
  return {
    path.relative_to(folder).as_posix(): path.read_text()
    for path in folder.rglob('*')
    if path.is_file()
  }


def test_what_one_process_pushes_is_what_others_and_later_ones_see(bucket):
  first, other = mirror(), mirror()
  content = {'config.json': '{}', 'uda/DONE': '', 'a/b/c': '1\n'}
  write(first.local, content)
  first.push()
  assert files(mirror().local) == content
  other.pull()
  assert files(other.local) == files(first.local)
  write(first.local, {'a/b/c': '1\n2\n'})
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
  for end, code, left in (
    ('', 0, 1),
    ('os.kill(os.getpid(), signal.SIGKILL)', -signal.SIGKILL, 2),
  ):
    done = subprocess.run(
      [sys.executable, '-c', COPY + end],
      cwd=REPOSITORY,
      env=os.environ | {'TMPDIR': str(tmp_path)},
      check=False,
    )
    assert done.returncode == code
    assert len(list(tmp_path.iterdir())) == left
  beside = tmp_path / 'pointsup_jax_runs'
  beside.mkdir()
  another = mirror()
  kept = {beside, alive.local.parent, another.local.parent}
  assert set(tmp_path.iterdir()) == kept


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
  names = {path.name for path in first.remote.iterdir()}
  assert names == {'config.json', 'uda', 'a'}
  first.pull()
  assert files(first.local) == {'config.json': '{}', 'a': 'x'}


def test_only_what_has_changed_is_written(bucket):
  first = mirror()
  write(first.local, {'config.json': '{}', 'a': '1', 'b': '1'})
  first.push()
  later, written = mirror(), []
  bucket.on_write = written.append
  write(later.local, {'b': '22'})
  later.push()
  later.push()
  assert written == [f'{FOLDER}/b']


def test_files_that_speak_of_others_come_after_them(bucket):
  first, written = mirror(), []
  bucket.on_write = written.append
  names = ('DONE', 'annotations.sqlite', 'pseudo_labels/x.png')
  write(first.local, {f'acquire/{name}': '' for name in names})
  write(first.local, {'acquire/pseudo_labels/a.png': '', 'config.json': '{}'})
  first.push()
  assert [name.rpartition('.')[2] for name in written[:2]] == ['png', 'png']
  assert written[-1] == f'{FOLDER}/acquire/DONE'


def test_checkpoints_and_the_lock_are_not_copied(bucket):
  bucket.put(f'{FOLDER}/uda/checkpoints/2/big', b'x', None)
  bucket.put(f'{FOLDER}/config.json', b'{}', None)
  first = mirror()
  write(first.local, {'run.lock': 'me', 'uda/checkpoints/3/big': 'y', 'b': ''})
  first.push()
  names = bucket.names(FOLDER)
  assert names == {'config.json', 'b', 'uda/checkpoints/2/big'}
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
  first.clear(but='earlier')
  assert set(bucket.objects) == {'runs/ab/config.json'}
  assert left[-1] == f'{FOLDER}/config.json'
  (first.local / 'z').unlink()
  write(first.local, {'config.json': '{"new": 1}'})
  first.push()
  assert bucket.names(FOLDER) == {'config.json'}


def test_clear_leaves_one_folder_and_the_mark_that_identifies_it(bucket):
  kept = {'config.json', 'earlier/1/config.json'}
  for name in (*kept, 'uda/checkpoints/2/big'):
    bucket.put(f'{FOLDER}/{name}', b'{}', None)
  mirror().clear(but='earlier')
  assert bucket.names(FOLDER) == kept
  assert mirror().local.name == 'a'


def test_the_copy_goes_with_its_owner(bucket):
  local = mirror().local
  assert local.name == 'a'  # reports use this name
  assert not local.exists()


@pytest.mark.parametrize('name', ['s3://bucket/a', 'hdfs://x/a', 'gs://'])
def test_other_stores_are_refused(name):
  with pytest.raises(errors.UsageError, match='gs://'):
    object_store.Mirror(name, mark='config.json')


def test_what_is_to_be_installed_is_said(monkeypatch):
  monkeypatch.setitem(sys.modules, 'gcsfs', None)
  needed = 'needs gcsfs: pip install -r requirements/gcs'
  with pytest.raises(errors.UserError, match=needed):
    mirror()


def test_a_store_that_refuses_a_checkpoint_is_one_line(bucket, monkeypatch):
  """gcsfs's errors share no base class with the others."""

  def refused(folder):
    raise gcsfs.retry.HttpError({'code': 401, 'message': 'Invalid Credentials'})

  monkeypatch.setattr(checksums, 'write', refused)
  empty: dict = {}
  state = learner.State(jnp.int32(1), {'a': jnp.zeros(3)}, empty, empty)
  folder = epath.Path(RUN) / 'checkpoints'

  def save():
    with checkpoint.Checkpoints(folder, keep=1) as checkpoints:
      checkpoints.save(state)

  text = saying.message(save)
  assert f'{folder}/1 could not be written' in text
  assert 'Invalid Credentials' in text
