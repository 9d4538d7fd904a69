"""Processes of one run agree; one that is lost is named by the others."""

import os
import signal
import socket
import subprocess
import sys
import time

import member
import pytest
from launching import REPOSITORY, environment

from pointsup_jax.training import checkpoint


def start(*does: str, folder: object = '') -> list[subprocess.Popen]:
  """Starts one process for each of the things to be done."""
  with socket.create_server(('localhost', 0)) as server:
    port = server.getsockname()[1]
  return [
    subprocess.Popen(
      [
        sys.executable,
        member.__file__,
        f'localhost:{port},{len(does)},{i}',
        what,
        str(folder),
      ],
      env=environment() | {'PYTHONPATH': os.fspath(REPOSITORY)},
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )
    for i, what in enumerate(does)
  ]


def finish(running, code=0) -> list[tuple[str, str]]:
  """Output and errors of each."""
  try:
    said = [process.communicate(timeout=200) for process in running]
  finally:
    for process in running:
      process.kill()
  assert [process.returncode for process in running] == [code] * len(running), (
    said
  )
  assert all('Traceback' not in errors for _, errors in said), said
  return said


def error_of(said: tuple[str, str]) -> str:
  """The only line on the error stream that is not gloo's."""
  lines = [x for x in said[1].splitlines() if not x.startswith('[Gloo]')]
  assert len(lines) == 1, said
  return lines[0]


@pytest.mark.parametrize('victim', [0, 1])
@pytest.mark.parametrize('how', [signal.SIGKILL, signal.SIGSTOP])
def test_the_others_say_who_is_lost_and_end(how, victim):
  does = ['wait', 'wait', 'wait']
  does[victim] = 'wander'
  running = start(*does)
  for process in running:
    while 'here' not in process.stdout.readline():
      assert process.poll() is None, process.communicate()
  time.sleep(1)
  lost = running.pop(victim)
  try:
    lost.send_signal(how)
    for said in finish(running, 1):
      line = error_of(said)
      assert line.startswith('error: ')
      assert f'process {victim} ' in line
      assert 'waiting for the answers' in line
      assert 'start the same command again on all hosts' in line
  finally:
    lost.kill()
    lost.communicate()


def test_one_that_fails_ends_the_others():
  first, failing, third = finish(start('wait', 'fail', 'wait'), 1)
  assert error_of(failing) == 'error: the disk is full'
  for said in (first, third):
    assert 'process 1 of 3 failed and said why' in error_of(said)


def test_one_that_was_stopped_ends_though_another_is_gone():
  gone, stopped = start('wander', 'stop')
  for process in (gone, stopped):
    while 'here' not in process.stdout.readline():
      assert process.poll() is None, process.communicate()
  time.sleep(1)
  gone.kill()
  gone.communicate()
  ((_, said),) = finish([stopped], 1)
  first, *more = said.splitlines()
  assert first == 'error: stopped'
  assert all('process 0 ' in line for line in more), said


def test_all_do_what_the_first_one_finds():
  for output, _ in finish(start('decide', 'decide')):
    assert '0 (1000000,) 0 refused by process 0' in output


@pytest.fixture
def saved(tmp_path):
  """Steps 1 and 2."""
  folder = tmp_path / 'checkpoints'
  with checkpoint.Checkpoints(folder, keep=3) as checkpoints:
    for step in (1, 2):
      checkpoints.save(member.state(step))
  return folder


def test_all_go_back_behind_a_damaged_checkpoint(saved):
  file = next((saved / '2' / 'training' / 'd').iterdir())
  content = bytearray(file.read_bytes())
  content[len(content) // 2] ^= 1
  file.write_bytes(content)
  said = finish(start('restore', 'restore', folder=saved))
  assert all('step 1: {1.0}, 1' in output for output, _ in said), said
  assert 'is not as it was written' in said[0][1]
  assert [path.name for path in saved.iterdir()] == ['1']


def test_none_goes_back_where_one_cannot_read(saved):
  """It may read tomorrow what it cannot read today: step 2 is not given up."""
  said = finish(start('restore', 'restore_blind', folder=saved), 1)
  for one in said:
    line = error_of(one)
    assert line.startswith(f'error: checkpoint {saved}/2 could not be read')
    assert 'process 1: stale file handle' in line
  assert sorted(path.name for path in saved.iterdir()) == ['1', '2']
