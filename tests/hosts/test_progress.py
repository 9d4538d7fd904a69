import fcntl
import os
import pty
import struct
import sys
import termios

import pytest

from pointsup_jax.hosts import progress


@pytest.fixture
def clock(monkeypatch):
  now = [0.0]
  monkeypatch.setattr(progress.time, 'monotonic', lambda: now[0])
  return now


def test_in_a_log_a_line_comes_now_and_then_if_it_says_something_new(
  clock, capsys
):
  line = progress.Line('study')
  for second in range(100):
    clock[0] = second
    line.show(f'{second // 50} done')
  line.close()
  assert capsys.readouterr().err == 'study: 0 done\nstudy: 1 done\n'


def test_on_a_terminal_one_line_is_updated_in_place(monkeypatch):
  controller, terminal = pty.openpty()
  fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack('4H', 24, 40, 0, 0))
  with os.fdopen(terminal, 'w') as file:
    monkeypatch.setattr(sys, 'stderr', file)
    line = progress.Line('study')
    line.show('1 done')
    line.show('2 done, ' + 'x' * 99)
    progress.say('a message')
    line.close()
    print('end', file=file, flush=True)
    shown = b''
    while b'end' not in shown:  # it arrives in pieces
      shown += os.read(controller, 10_000)
  os.close(controller)
  shown = shown.decode().partition('end')[0]
  assert 'study: 1 done' in shown
  lines = shown.replace('\r\n', '\n').split('\n')
  assert len(lines) == 2  # as the message ends one
  texts = [x.strip() for x in '\r'.join(lines).split('\r')]
  assert 'a message' in texts
  assert max(map(len, texts)) == 39
  assert f'study: 2 done, {"x" * 21}...' in texts
  assert not texts[-1]  # taken away
