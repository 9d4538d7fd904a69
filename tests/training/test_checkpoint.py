"""Checkpoints on a disk that fails, fills up or flips bits."""

import errno
import functools
import os
import pathlib
import shutil
import subprocess
import threading

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp
import players
import pytest
import saying

from pointsup_jax import errors
from pointsup_jax.training import checkpoint, checksums, learner


@functools.cache
def numbered(step):
  """A state that differs between steps; its parts need not fit together."""

  def arrays(seed, offset=0):
    values = jax.random.normal(jax.random.key(seed), (3, 64)) + offset
    return dict(zip('012', values, strict=True))

  return learner.State(
    step=jnp.int32(step),
    segmenter={'params': arrays(0, step), 'batch_stats': arrays(1, step)},
    opt_state={'momentum': arrays(2)},
    opponents={
      'main': learner.Opponent(arrays(3), {'mu': arrays(4)}),
      'teacher': learner.Opponent(
        {'params': arrays(5, step), 'batch_stats': arrays(6, step)}, ()
      ),
    },
  )


def save(folder, steps, **options):
  with checkpoint.Checkpoints(folder, **options) as checkpoints:
    for step in steps:
      checkpoints.save(numbered(step))


def restore(folder, like=None, keep=2):
  with checkpoint.Checkpoints(folder, keep=keep) as checkpoints:
    return checkpoints.restore(players.abstract(like or numbered(0)))


def restore_segmenter(folder, step=None, player=''):
  with checkpoint.Checkpoints(folder) as checkpoints:
    shapes = players.abstract(numbered(0).segmenter)
    return checkpoints.restore_segmenter(shapes, step, player)


def steps_in(folder):
  return sorted(int(path.name) for path in folder.iterdir())


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
  """Steps 1 and 2; do not change it."""
  folder = tmp_path_factory.mktemp('saved') / 'checkpoints'
  save(folder, (1, 2), keep=2)
  return folder


@pytest.fixture
def folder(saved, tmp_path):
  return shutil.copytree(saved, tmp_path / 'checkpoints')


def no_space(folder):
  raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def flip(path: pathlib.Path) -> None:
  content = bytearray(path.read_bytes())
  content[len(content) // 2] ^= 1
  path.write_bytes(content)


def truncate(path: pathlib.Path) -> None:
  path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize('damage', [flip, truncate, pathlib.Path.unlink])
def test_no_damage_to_any_file_goes_unnoticed(saved, tmp_path, damage, capsys):
  """Restores either the right values or those of the step before."""
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
    restored = restore(folder)
    players.assert_equal(restored, numbered(int(restored.step)))
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


def test_the_segmenter_is_as_safe_as_the_whole_state(folder):
  flip(next((folder / '2' / 'training' / 'd').iterdir()))
  step, _ = restore_segmenter(folder)
  assert step == 2  # the rest is damaged, but not read
  flip(next((folder / '2' / 'segmenter' / 'd').iterdir()))
  step, segmenter = restore_segmenter(folder)
  assert step == 1
  players.assert_equal(segmenter, numbered(1).segmenter)
  assert steps_in(folder) == [1, 2]  # reading deletes nothing


def test_a_copy_of_the_segmenter_is_read_without_the_rest(folder):
  for asked, found in ((None, 2), (1, 1)):
    step, teacher = restore_segmenter(folder, asked, 'teacher')
    assert step == found
    players.assert_equal(teacher, numbered(found).opponents['teacher'].params)
  flip(next((folder / '2' / 'segmenter' / 'd').iterdir()))
  assert restore_segmenter(folder, player='teacher')[0] == 2  # not read
  flip(next((folder / '2' / 'training' / 'd').iterdir()))
  step, teacher = restore_segmenter(folder, player='teacher')
  assert step == 1
  players.assert_equal(teacher, numbered(1).opponents['teacher'].params)
  assert 'there is no opponents/average/params' in saying.message(
    lambda: restore_segmenter(folder, player='average')
  )


def test_a_step_without_checksums_is_damaged(folder, capsys):
  (folder / '2' / checksums.FILE).unlink()
  assert int(restore(folder).step) == 1
  assert f'{folder}/2 is damaged' in capsys.readouterr().err


def test_a_step_that_is_asked_for_is_that_or_nothing(folder):
  flip(next((folder / '1' / 'segmenter' / 'd').iterdir()))
  step, segmenter = restore_segmenter(folder, 2)
  message = saying.message(lambda: restore_segmenter(folder, 1))
  assert step == 2
  players.assert_equal(segmenter, numbered(2).segmenter)
  assert f'checkpoint {folder}/1 is damaged' in message
  assert 'delete that folder, or take another step' in message


def assert_unreadable(folder, *words, like=None):
  message = saying.message(lambda: restore(folder, like))
  for word in (f'{folder}/2', 'nothing was deleted', *words):
    assert word in message, message
  assert steps_in(folder) == [1, 2]


def test_what_no_checksum_convicts_is_not_given_up(folder, monkeypatch):
  """A disk that does not answer now may do so later."""

  def broken(*args, **kwargs):
    raise OSError(5, os.strerror(5))

  reading = ocp.PyTreeCheckpointHandler, 'restore'
  for owner, name in ((checksums, 'damage'), reading):
    with monkeypatch.context() as patched:
      patched.setattr(owner, name, broken)
      assert_unreadable(folder, 'Input/output error')
  players.assert_equal(restore(folder), numbered(2))


def test_a_step_of_another_model_is_no_damage(folder):
  other = numbered(0).replace(opponents={})
  assert_unreadable(folder, 'do not match', like=other)


def test_damage_that_nothing_but_the_reading_shows(folder):
  (folder / '2' / 'training' / 'manifest.ocdbt').unlink()
  checksums.write(folder / '2')
  assert_unreadable(folder, f'delete {folder}/2')
  shutil.rmtree(folder / '2')
  players.assert_equal(restore(folder), numbered(1))


@pytest.mark.skipif(not shutil.which('sha256sum'), reason='no sha256sum here')
def test_the_usual_program_reads_the_checksums(saved):
  check = ['sha256sum', '--check', '--strict', checksums.FILE]
  done = subprocess.run(check, cwd=saved / '2', capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  assert 'segmenter/manifest.ocdbt: OK' in done.stdout


def test_a_step_has_its_name_only_once_it_has_its_checksums(
  tmp_path, monkeypatch
):
  hashing, go_on = threading.Event(), threading.Event()
  write = checksums.write

  def slowly(folder):
    hashing.set()
    assert go_on.wait(60)
    write(folder)

  monkeypatch.setattr(checksums, 'write', slowly)
  with checkpoint.Checkpoints(tmp_path, keep=1) as checkpoints:
    checkpoints.save(numbered(1))  # without waiting
    assert hashing.wait(60)
    assert not (tmp_path / '1').exists()
    go_on.set()
  assert (tmp_path / '1' / checksums.FILE).exists()


def test_every_so_many_steps_one_is_kept(tmp_path):
  save(tmp_path, range(1, 8), keep=2, keep_every=3)
  assert steps_in(tmp_path) == [3, 6, 7]


def test_a_disk_that_is_full_loses_nothing(tmp_path, monkeypatch):
  save(tmp_path, [1], keep=1)
  with monkeypatch.context() as patched:
    patched.setattr(checksums, 'write', no_space)
    message = saying.message(lambda: save(tmp_path, [2], keep=1))
  for words in (f'{tmp_path}/2', 'No space left', 'the same command'):
    assert words in message
  # keep=0 only reads: a second writer would clear up unfinished saves too.
  players.assert_equal(restore(tmp_path, keep=0), numbered(1))
  save(tmp_path, [2], keep=1)
  assert steps_in(tmp_path) == [2]


def test_a_failed_save_does_not_hide_what_ended_the_run(
  tmp_path, monkeypatch, capsys
):
  monkeypatch.setattr(checksums, 'write', no_space)

  def save_and_end(error):
    with checkpoint.Checkpoints(tmp_path, keep=1) as checkpoints:
      checkpoints.save(numbered(1))
      raise error

  with pytest.raises(errors.WaitingForLabels):
    save_and_end(errors.WaitingForLabels())
  assert 'could not be written' in capsys.readouterr().err
  # But a stop promises that everything is saved.
  with pytest.raises(errors.UserError, match='could not be written'):
    save_and_end(errors.Stopped())
