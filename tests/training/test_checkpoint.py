"""What becomes of checkpoints on a disk that fails, fills up or flips bits."""

import os
import pathlib
import shutil
import subprocess
import threading

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest
import saying

from pointsup_jax import errors
from pointsup_jax.training import checkpoint, checksums, learner, sharding


@pytest.fixture(scope='module')
def state():
  """Its parts need not fit together."""

  def arrays(seed):
    keys = jax.random.split(jax.random.key(seed), 3)
    return {str(i): jax.random.normal(key, (64,)) for i, key in enumerate(keys)}

  return learner.State(
    step=jnp.zeros((), jnp.int32),
    segmenter={'params': arrays(0), 'batch_stats': arrays(1)},
    opt_state={'momentum': arrays(2)},
    opponents={'main': learner.Opponent(arrays(3), {'mu': arrays(4)})},
  )


def numbered(state, step):
  """A state that can be told from those of other steps."""
  segmenter = jax.tree.map(lambda x: x + step, state.segmenter)
  return state.replace(segmenter=segmenter, step=jnp.int32(step))


def abstract(state):
  return checkpoint.abstract(state, sharding.replicated(sharding.mesh()))


def save(folder, state, steps, **options):
  with checkpoint.Checkpoints(folder, **options) as checkpoints:
    for step in steps:
      checkpoints.save(numbered(state, step))


def restore(folder, state):
  with checkpoint.Checkpoints(folder, keep=2) as checkpoints:
    return checkpoints.restore(abstract(state))


def steps_in(folder):
  return sorted(int(path.name) for path in folder.iterdir())


def assert_equal(one, two):
  jax.tree.map(np.testing.assert_array_equal, one, two)


@pytest.fixture(scope='module')
def saved(tmp_path_factory, state):
  """Steps 1 and 2; do not change it."""
  folder = tmp_path_factory.mktemp('saved') / 'checkpoints'
  save(folder, state, (1, 2), keep=2)
  return folder


def flip(path: pathlib.Path) -> None:
  content = bytearray(path.read_bytes())
  content[len(content) // 2] ^= 1
  path.write_bytes(content)


def truncate(path: pathlib.Path) -> None:
  path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize('damage', [flip, truncate, pathlib.Path.unlink])
def test_no_damage_to_any_file_goes_unnoticed(
  saved, state, tmp_path, damage, capsys
):
  """Either the right values come back, or those of the step before."""
  names = [
    path.relative_to(saved / '2')
    for path in sorted((saved / '2').rglob('*'))
    if path.is_file()
  ]
  walked_back = set()
  for number, name in enumerate(names):
    folder = tmp_path / str(number)
    shutil.copytree(saved, folder)
    damage(folder / '2' / name)
    restored = restore(folder, state)
    assert_equal(restored, numbered(state, int(restored.step)))
    said = capsys.readouterr().err
    if int(restored.step) == 1:
      walked_back.add(name)
      assert steps_in(folder) == [1]
      line, *more = said.splitlines()
      assert not more
      assert f'{folder}/2 is damaged, trying an older one' in line
      assert name.as_posix() in line or len(name.parts) == 1
    else:
      assert len(name.parts) == 1, name
  # All data are in the two items.
  assert walked_back >= {x for x in names if len(x.parts) > 1}
  assert len(walked_back) > 10


def test_the_segmenter_is_as_safe_as_the_whole_state(saved, state, tmp_path):
  folder = tmp_path / 'checkpoints'
  shutil.copytree(saved, folder)
  flip(next((folder / '2' / 'training' / 'd').iterdir()))
  with checkpoint.Checkpoints(folder) as checkpoints:
    step, _ = checkpoints.restore_segmenter(abstract(state).segmenter)
  assert step == 2  # the rest is damaged, but nobody asked for it
  flip(next((folder / '2' / 'segmenter' / 'd').iterdir()))
  with checkpoint.Checkpoints(folder) as checkpoints:
    step, segmenter = checkpoints.restore_segmenter(abstract(state).segmenter)
  assert step == 1
  assert_equal(segmenter, numbered(state, 1).segmenter)
  assert steps_in(folder) == [1, 2]  # a reader deletes nothing


def test_a_step_without_checksums_is_damaged(saved, state, tmp_path, capsys):
  folder = tmp_path / 'checkpoints'
  shutil.copytree(saved, folder)
  (folder / '2' / checksums.FILE).unlink()
  assert int(restore(folder, state).step) == 1
  assert f'{folder}/2 is damaged' in capsys.readouterr().err


def test_a_step_that_is_asked_for_is_that_or_nothing(saved, state, tmp_path):
  folder = tmp_path / 'checkpoints'
  shutil.copytree(saved, folder)
  flip(next((folder / '1' / 'segmenter' / 'd').iterdir()))
  with checkpoint.Checkpoints(folder) as checkpoints:
    shapes = abstract(state).segmenter
    step, segmenter = checkpoints.restore_segmenter(shapes, 2)
    message = saying.message(lambda: checkpoints.restore_segmenter(shapes, 1))
  assert step == 2
  assert_equal(segmenter, numbered(state, 2).segmenter)
  assert f'checkpoint {folder}/1 is damaged' in message
  assert 'delete that folder, or take another step' in message


def assert_unreadable(folder, state, *words):
  message = saying.message(lambda: restore(folder, state))
  for word in (f'{folder}/2', 'nothing was deleted', *words):
    assert word in message, message
  assert steps_in(folder) == [1, 2]


def test_what_no_checksum_convicts_is_not_given_up(
  saved, state, tmp_path, monkeypatch
):
  """A disk that does not answer now may do so tomorrow."""
  folder = tmp_path / 'checkpoints'
  shutil.copytree(saved, folder)

  def broken(*args, **kwargs):
    raise OSError(5, os.strerror(5))

  for owner, name in (
    (checksums, 'damage'),
    (ocp.StandardCheckpointHandler, 'restore'),
  ):
    with monkeypatch.context() as patched:
      patched.setattr(owner, name, broken)
      assert_unreadable(folder, state, 'Input/output error')
  assert_equal(restore(folder, state), numbered(state, 2))


def test_a_step_of_another_model_is_no_damage(saved, state, tmp_path):
  folder = tmp_path / 'checkpoints'
  shutil.copytree(saved, folder)
  assert_unreadable(folder, state.replace(opponents={}), 'do not match')


def test_damage_that_nothing_but_the_reading_shows(saved, state, tmp_path):
  folder = tmp_path / 'checkpoints'
  shutil.copytree(saved, folder)
  (folder / '2' / 'training' / 'manifest.ocdbt').unlink()
  checksums.write(folder / '2')
  assert_unreadable(folder, state, f'delete {folder}/2')
  shutil.rmtree(folder / '2')
  assert_equal(restore(folder, state), numbered(state, 1))


@pytest.mark.skipif(not shutil.which('sha256sum'), reason='no sha256sum here')
def test_the_usual_program_reads_the_checksums(saved):
  check = ['sha256sum', '--check', '--strict', checksums.FILE]
  done = subprocess.run(check, cwd=saved / '2', capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  assert 'segmenter/manifest.ocdbt: OK' in done.stdout


def test_a_step_has_its_name_only_once_it_has_its_checksums(
  state, tmp_path, monkeypatch
):
  hashing, go_on = threading.Event(), threading.Event()
  write = checksums.write

  def slowly(folder):
    hashing.set()
    assert go_on.wait(60)
    write(folder)

  monkeypatch.setattr(checksums, 'write', slowly)
  with checkpoint.Checkpoints(tmp_path, keep=1) as checkpoints:
    checkpoints.save(numbered(state, 1))  # and does not wait for it
    assert hashing.wait(60)
    assert not (tmp_path / '1').exists()
    go_on.set()
  assert (tmp_path / '1' / checksums.FILE).exists()


def test_every_so_many_steps_one_is_kept(state, tmp_path):
  save(tmp_path, state, range(1, 8), keep=2, keep_every=3)
  assert steps_in(tmp_path) == [3, 6, 7]


def test_a_disk_that_is_full_loses_nothing(state, tmp_path, monkeypatch):
  def full(folder):
    raise OSError(28, os.strerror(28), str(folder))

  save(tmp_path, state, [1], keep=1)
  with monkeypatch.context() as patched:
    patched.setattr(checksums, 'write', full)
    message = saying.message(lambda: save(tmp_path, state, [2], keep=1))
  for words in (f'{tmp_path}/2', 'No space left', 'the same command'):
    assert words in message
  # Only reads: two who may write would both clear up what was not finished.
  with checkpoint.Checkpoints(tmp_path) as checkpoints:
    restored = checkpoints.restore(abstract(state))
  assert_equal(restored, numbered(state, 1))
  save(tmp_path, state, [2], keep=1)
  assert steps_in(tmp_path) == [2]


def test_a_failed_save_does_not_hide_what_ended_the_run(
  state, tmp_path, monkeypatch, capsys
):
  def full(folder):
    raise OSError(28, os.strerror(28), str(folder))

  monkeypatch.setattr(checksums, 'write', full)

  def save_and_end(error):
    with checkpoint.Checkpoints(tmp_path, keep=1) as checkpoints:
      checkpoints.save(numbered(state, 1))
      raise error

  with pytest.raises(errors.WaitingForLabels):
    save_and_end(errors.WaitingForLabels())
  assert 'could not be written' in capsys.readouterr().err
  # But a stop promises that everything is saved.
  with pytest.raises(errors.UserError, match='could not be written'):
    save_and_end(errors.Stopped())
