"""An unexpected error is one line; its traceback is in error.txt."""

import subprocess
import sys

import pytest
import saying
from launching import REPOSITORY, assert_refused, environment, tiny

from pointsup_jax import command, errors

# launch.main with a bug in its first stage.
BUG = """
import runpy, sys
from pointsup_jax.stages import sequence

def fail(run):
  raise {error}

sequence.STAGES['uda'] = fail
sys.path.insert(0, '.')
runpy.run_module('launch.main', run_name='__main__', alter_sys=True)
"""


@pytest.mark.parametrize(
  ('error', 'line'),
  [
    ("KeyError('a bug')", "KeyError: 'a bug'"),
    ("OSError(5, 'torn cable')", 'torn cable; fix that and run the same'),
  ],
)
def test_of_a_run(tmp_path, error, line):
  done = subprocess.run(
    [sys.executable, '-c', BUG.format(error=error), *tiny(tmp_path / 'run')],
    cwd=REPOSITORY,
    env=environment(),
    capture_output=True,
    text=True,
    check=False,
  )
  file = tmp_path / 'run/error.txt'
  assert_refused(done, 1, line, f'the traceback is in {file}')
  assert 'Traceback' in file.read_text()
  assert error.partition('(')[0] in file.read_text()


@pytest.mark.parametrize(
  'where', [(), ('gone/error.txt',)], ids=['no workdir', 'not writable']
)
def test_where_no_file_is_written_the_traceback_is_printed(
  tmp_path, capsys, where
):
  def fail():
    with command.explained(*(tmp_path / name for name in where)):
      raise KeyError('a bug')

  assert saying.message(fail).startswith("KeyError: 'a bug'")
  assert 'Traceback' in capsys.readouterr().err


def test_what_the_user_can_mend_is_let_through(tmp_path):
  with pytest.raises(errors.Stopped), command.explained(tmp_path / 'error.txt'):
    raise errors.Stopped
  assert not list(tmp_path.iterdir())
