"""Signals, terminals that close and parents that die."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from launching import REPOSITORY

from pointsup_jax.hosts import lock, stopping
from pointsup_jax.study import runs

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Works until it is asked to stop, speaks, and saves.
WORKER = f"""#!{sys.executable}
import os, pathlib, sys, time
if sys.stdin.isatty():
  os.open(os.ttyname(0), os.O_RDWR)  # its session now has this terminal
sys.path.insert(0, {str(REPOSITORY)!r})
from pointsup_jax.hosts import stopping
folder = pathlib.Path({{folder!r}})
stopping.install()
(folder / 'ready').touch()
for _ in range(600):
  if stopping.requested():
    print('stops', flush=True)
    print('stops', file=sys.stderr, flush=True)
    (folder / 'saved').touch()
    break
  time.sleep(0.1)
"""
# Starts the worker as a study starts its runs.
STUDY = """
import pathlib, sys
from pointsup_jax.study import runs
folder, sys.executable = sys.argv[1:]
runs.Runner(pathlib.Path(folder), 1, lambda *_: None)._launch(
  pathlib.Path(folder, 'run'), 'uda', (), 0
)
"""
COMMAND = """
import os, time
from pointsup_jax import command
def main():
  os.kill(os.getpid(), {number})
  time.sleep(60)
command.run(main)
"""


@pytest.fixture
def handlers():
  """Undoes what is installed."""
  before = {number: signal.getsignal(number) for number in SIGNALS}
  yield
  for number, handler in before.items():
    signal.signal(number, handler)
  stopping._requested.clear()


def appears(path):
  for _ in range(1200):
    if path.exists():
      return True
    time.sleep(0.1)
  return False


def worker(folder):
  path = folder / 'worker'
  path.write_text(WORKER.format(folder=str(folder)))
  path.chmod(0o755)
  return path


@pytest.mark.parametrize('first', SIGNALS)
@pytest.mark.parametrize('second', SIGNALS)
@pytest.mark.usefixtures('handlers')
def test_one_requests_a_stop_and_a_second_one_interrupts(first, second):
  stopping.install()
  assert not stopping.requested()
  os.kill(os.getpid(), first)
  assert stopping.requested()
  if second == signal.SIGHUP:  # a closed terminal sends two
    os.kill(os.getpid(), second)
    return
  with pytest.raises(KeyboardInterrupt):
    os.kill(os.getpid(), second)


@pytest.mark.usefixtures('handlers')
def test_a_command_under_nohup_outlives_its_terminal():
  signal.signal(signal.SIGHUP, signal.SIG_IGN)
  stopping.interrupt()
  stopping.install()
  os.kill(os.getpid(), signal.SIGHUP)
  assert not stopping.requested()


@pytest.mark.parametrize('number', SIGNALS)
def test_every_command_ends_in_one_line(number):
  done = subprocess.run(
    [sys.executable, '-c', COMMAND.format(number=int(number))],
    cwd=REPOSITORY,
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 130
  assert done.stderr.startswith('error: stopped; run the same command again')
  assert done.stderr.count('\n') == 1


def test_a_closed_terminal_is_a_stop_in_which_everything_is_saved(tmp_path):
  terminal, inside = os.openpty()
  process = subprocess.Popen(
    [worker(tmp_path)],
    stdin=inside,
    stdout=inside,
    stderr=inside,
    start_new_session=True,
  )
  os.close(inside)
  assert appears(tmp_path / 'ready')
  os.close(terminal)
  assert process.wait(60) == 0
  assert (tmp_path / 'saved').exists()


def test_a_study_that_is_killed_leaves_no_orphans(tmp_path):
  study = subprocess.Popen(
    [sys.executable, '-c', STUDY, str(tmp_path), str(worker(tmp_path))],
    cwd=REPOSITORY,
  )
  assert appears(tmp_path / 'ready')
  study.kill()
  study.wait()
  assert appears(tmp_path / 'saved')


def test_a_run_of_a_killed_study_may_save_before_it_goes_on(tmp_path, capsys):
  path = tmp_path / 'run.lock'
  is_held, free = threading.Event(), threading.Event()

  def orphan():
    with lock.held(path, 'works'):
      is_held.set()
      time.sleep(1)
      free.set()

  thread = threading.Thread(target=orphan)
  thread.start()
  is_held.wait()
  runs.Runner(tmp_path, 1, lambda *_: None)._wait_for_orphan(tmp_path)
  assert free.is_set()
  assert f'process {os.getpid()} on ' in capsys.readouterr().err
  thread.join()
