"""An error that nobody expected is one line; its traceback is in error.txt."""

import subprocess
import sys

import pytest
from launching import REPOSITORY, STREETS, TINY, assert_refused, environment

from pointsup_jax import command, errors

# launch.main, whose first stage has a bug.
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
    [
      sys.executable, '-c', BUG.format(error=error), STREETS, *TINY,
      f'--workdir={tmp_path / "run"}',
    ],
    cwd=REPOSITORY,
    env=environment(),
    capture_output=True,
    text=True,
    check=False,
  )  # fmt: skip
  file = tmp_path / 'run/error.txt'
  assert_refused(done, 1, line, f'the traceback is in {file}')
  assert 'Traceback' in file.read_text()
  assert error.partition('(')[0] in file.read_text()


def test_without_a_workdir_the_traceback_is_printed(capsys):
  with (
    pytest.raises(errors.UserError, match="KeyError: 'a bug'"),
    command.explained(),
  ):
    raise KeyError('a bug')
  assert 'Traceback' in capsys.readouterr().err


def test_where_it_cannot_be_written_the_traceback_is_printed(tmp_path, capsys):
  with (
    pytest.raises(errors.UserError, match=r'^KeyError'),
    command.explained(tmp_path / 'gone/error.txt'),
  ):
    raise KeyError('a bug')
  assert 'Traceback' in capsys.readouterr().err


def test_what_the_user_can_mend_is_let_through(tmp_path):
  with (
    pytest.raises(errors.Stopped),
    command.explained(tmp_path / 'error.txt'),
  ):
    raise errors.Stopped
  assert not list(tmp_path.iterdir())
