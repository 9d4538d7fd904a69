import errno
import os
import socket
import subprocess
import sys

import pytest
import saying

from pointsup_jax.hosts import lock

HOLD = """
import pathlib, sys
from pointsup_jax.hosts import lock
with lock.held(pathlib.Path(sys.argv[1]), 'is at it'):
  print('held', flush=True)
  sys.stdin.read()
"""


def hold(path):
  with lock.held(path, 'is at it'):
    pass


@pytest.fixture
def holder(tmp_path):
  process = subprocess.Popen(
    [sys.executable, '-c', HOLD, tmp_path / 'a.lock'],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
  )
  assert process.stdout.readline() == 'held\n'
  yield process
  process.kill()
  process.communicate()


def test_the_second_is_told_who_the_first_is(tmp_path, holder):
  text = saying.message(lambda: hold(tmp_path / 'a.lock'))
  for words in (f'process {holder.pid} on {socket.gethostname()}', 'is at it'):
    assert words in text


def test_a_process_that_was_killed_is_not_in_the_way(tmp_path, holder):
  holder.kill()
  holder.wait()
  assert str(holder.pid) in (tmp_path / 'a.lock').read_text()
  hold(tmp_path / 'a.lock')


def test_it_is_free_again_after_the_block(tmp_path):
  hold(tmp_path / 'a.lock')
  assert not saying.refusal(lambda: hold(tmp_path / 'a.lock'))


def test_a_file_system_without_locks_is_said_so(tmp_path, monkeypatch, capsys):
  def refuse(file, operation):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

  monkeypatch.setattr(lock.fcntl, 'flock', refuse)
  hold(tmp_path / 'a.lock')
  said = capsys.readouterr().err
  assert 'No locks available' in said
  assert 'no other process' in said
