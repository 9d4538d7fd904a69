"""Runs the command as a user would, on a run that would be over at once."""

import os
import pathlib
import subprocess
import sys
from typing import Any

REPOSITORY = pathlib.Path(__file__).parents[2]
STREETS = '--config=configs/streets_active.py'
TINY = (
  '--config.data.source.length=6',
  '--config.data.target.length=4',
  '--config.data.evaluation.length=4',
  '--config.train.batch_size=2',
  '--config.train.checkpoint_every=2',
  '--config.train.log_every=1',
  '--config.model.width=8',
  '--config.uda.source_only_steps=4',
  '--config.uda.steps=4',
  '--config.adapt.steps=4',
  # Several points a patch, and guesses beside the answers.
  '--config.acquire.k=10',
  '--config.acquire.n=5',
  '--config.adapt.pseudo_labels=points',
)


def command(*args: object, program: str = 'main') -> list[str]:
  """The command line of a program of launch."""
  return [sys.executable, '-m', f'launch.{program}', *map(str, args)]


def environment(devices: int = 1) -> dict[str, str]:
  """That of a process that sees so many devices on the CPU."""
  return os.environ | {
    'JAX_PLATFORMS': 'cpu',
    'TF_CPP_MIN_LOG_LEVEL': '2',  # as `launch` sets it
    'XLA_FLAGS': f'--xla_force_host_platform_device_count={devices}',
  }


def launch(
  *args: object, program: str = 'main', **options: Any
) -> subprocess.CompletedProcess:
  """Runs it to its end; `options` are of subprocess.run."""
  return subprocess.run(
    command(*args, program=program),
    cwd=REPOSITORY,
    capture_output=True,
    text=True,
    timeout=600,
    check=False,
    **options,
  )


def succeed(
  *args: object, program: str = 'main', **options: Any
) -> subprocess.CompletedProcess:
  """Runs it to its end, which has to be a good one."""
  done = launch(*args, program=program, **options)
  assert done.returncode == 0, done.stderr
  return done


def assert_refused(
  done: subprocess.CompletedProcess, code: int, *words: str
) -> None:
  """The run said one line with these words, and left with the code."""
  assert 'Traceback' not in done.stderr, done.stderr
  assert done.returncode == code, done.stderr
  errors = [x for x in done.stderr.splitlines() if x.startswith('error: ')]
  assert len(errors) == 1, done.stderr
  for word in words:
    assert word in errors[0], errors[0]
