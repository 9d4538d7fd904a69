import os
import signal
import subprocess
import sys
import time

import launching
import member
import pytest
from launching import error_line

from pointsup_jax.training import checkpoint

pytestmark = pytest.mark.slow


def start(*does: str, folder: object = '') -> list[subprocess.Popen]:
  """Starts one process for each of the tasks."""
  path = {'PYTHONPATH': os.fspath(launching.REPOSITORY)}
  return [
    launching.start(
      [sys.executable, member.__file__, where, what, str(folder)],
      env=launching.environment() | path,
    )
    for where, what in zip(launching.members(len(does)), does, strict=True)
  ]


def finish(running, code=0) -> list[tuple[str, str]]:
  said = launching.finish(running, code, timeout=100)
  assert all('Traceback' not in errors for _, errors in said), said
  return said


def read_until(process, word):
  while word not in process.stdout.readline():
    assert process.poll() is None, process.communicate()


def assert_stopped_at_the_same_look(said):
  looks = {output.splitlines()[-1] for output, _ in said}
  assert len(looks) == 1
  assert 'stopped at look' in looks.pop()


def ends(process, seconds=40) -> str:
  """Returns the errors of a process that must end by itself, in time."""
  began = time.monotonic()
  try:
    said = process.communicate(timeout=seconds)[1]
  finally:
    process.kill()
  assert time.monotonic() - began < seconds
  assert process.returncode not in (0, 130)
  return said


def lose(victim, how) -> list[str]:
  """Loses one of three processes; returns the errors of the others."""
  does = ['wait', 'wait', 'wait']
  does[victim] = 'wander'
  running = start(*does)
  for process in running:
    read_until(process, 'here')
  time.sleep(1)
  lost = running.pop(victim)
  lost.send_signal(how)
  try:
    return [ends(process) for process in running]
  finally:
    lost.kill()
    lost.communicate()


@pytest.mark.parametrize('how', [signal.SIGKILL, signal.SIGSTOP])
def test_the_others_say_who_is_lost_and_end(how):
  for said in lose(1, how):
    line = error_line(said)
    assert line.startswith('error: process 1 of 3 is gone')
    assert ('waiting for the answers' in line) == (how == signal.SIGKILL)
    assert 'start the same command again on all hosts' in line


@pytest.mark.parametrize('how', [signal.SIGKILL, signal.SIGSTOP])
def test_the_others_end_with_the_first(how):
  """jax ends them with its own message: process 0 runs its service."""
  assert all('another task died' in said for said in lose(0, how))


@pytest.mark.parametrize(
  ('what', 'line'),
  [('fail', 'error: the disk is full'), ('bug', "error: KeyError: 'a bug'")],
)
def test_one_that_fails_ends_the_other(what, line):
  other, failing = start('wait', what)
  said = ends(failing)
  assert line in said.splitlines()
  assert ('Traceback' in said) == (what == 'bug')
  line = error_line(ends(other))
  assert line.startswith('error: process 1 of 2 is gone')
  assert 'start the same command again on all hosts' in line


@pytest.mark.parametrize(('victim', 'then'), [(0, ''), (1, ''), (1, '_stop')])
def test_where_one_cannot_save_all_end(tmp_path, victim, then):
  """Orbax alone would wait for half an hour."""
  does = [f'save{then}'] * 2
  does[victim] = f'save_full{then}'
  running = start(*does, folder=tmp_path / 'checkpoints')
  failing = running.pop(victim)
  said = ends(failing)  # includes output of Orbax's threads
  assert 'error: checkpoint' in said
  assert 'could not be written' in said
  assert 'File too large' in said
  ends(running[0])


def test_a_stop_before_joining_is_one_of_all():
  assert_stopped_at_the_same_look(finish(start('look', 'stop_early')))


def test_a_save_does_not_keep_a_stop_from_being_seen(tmp_path):
  """Orbax also looks for stops, by the steps that it saves."""
  done = finish(start('look_later', 'look_later', folder=tmp_path / 'saved'))
  assert_stopped_at_the_same_look(done)


def test_one_that_waits_for_others_to_join_can_be_stopped():
  waiting, never_came = start('wait', 'starts_later')
  never_came.kill()
  never_came.communicate()
  read_until(waiting, 'starts')
  time.sleep(2)
  began = time.monotonic()
  waiting.terminate()
  ((_, said),) = finish([waiting], 130)
  assert said == 'error: stopped; run the same command again to continue\n'
  assert 8 < time.monotonic() - began < 20


def test_a_stop_while_others_join_is_one_of_all():
  first, late = start('look', 'look_late')
  read_until(late, 'starts')
  read_until(first, 'starts')
  time.sleep(1)  # the first waits for the other, in native code
  first.send_signal(signal.SIGINT)
  assert_stopped_at_the_same_look(finish([first, late]))


def test_one_that_waits_in_vain_for_others_says_so():
  waiting, never_came = start('impatient', 'wait')
  never_came.kill()
  never_came.communicate()
  ((_, said),) = finish([waiting], 1)
  assert 'not all processes have joined within 3 s' in error_line(said)


@pytest.mark.parametrize(
  ('told', 'how'), [(0, signal.SIGTERM), (1, signal.SIGINT)]
)
def test_a_stop_reaches_the_one_that_works_for_all(told, how):
  running = start('answer', 'answer')
  read_until(running[0], 'answers')
  running[told].send_signal(how)
  for _, said in finish(running, 130):
    assert 'stopped; run the same command' in error_line(said)


def test_native_threads_cannot_abort_a_process_that_is_done():
  """The interpreter's own exit would meet them; each does its last things."""
  for output, _ in finish(start('leave', 'leave')):
    assert output.splitlines()[-1] == 'left'


def test_all_hear_and_refuse_what_the_first_one_does():
  for output, said in finish(start('decide', 'decide'), 2):
    assert '0 [True, True, True] [0, 2000]' in output
    assert error_line(said) == 'error: refused'


@pytest.fixture
def saved(tmp_path):
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
  """A failed read may succeed later, so step 2 is kept."""
  for _, said in finish(start('restore', 'restore_blind', folder=saved), 1):
    line = error_line(said)
    assert line.startswith(f'error: checkpoint {saved}/2 could not be read')
    assert 'process 1: stale file handle' in line
  assert sorted(path.name for path in saved.iterdir()) == ['1', '2']
