"""Runs the commands as a user does, on a tiny run."""

import os
import pathlib
import socket
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import forked

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
# Of configs/camvid_dusk.py: whole images, and a small network from scratch.
CAMVID = (
  '--config=configs/camvid_dusk.py',
  *(
    f'--config.data.{domain}.{field}'
    for domain in ('source', 'target')
    for field in ('crop=()', 'scale=(1.0,1.0)')
  ),
  '--config.model.backbone=resnet',
  '--config.model.weights=',
)


def command(*args: object, program: str = 'main') -> list[str]:
  return [sys.executable, '-m', f'launch.{program}', *map(str, args)]


def tiny(workdir: object, *flags: str) -> tuple[str, ...]:
  return (STREETS, *TINY, *flags, f'--workdir={workdir}')


def all_domains(setting: str) -> list[str]:
  """Flags that set a field of all three domains, as length=3."""
  domains = ('source', 'target', 'evaluation')
  return [f'--config.data.{domain}.{setting}' for domain in domains]


def start(words: Sequence[str], **options: Any) -> subprocess.Popen:
  """Starts a command; `options` go to subprocess.Popen."""
  pipe = subprocess.PIPE
  return subprocess.Popen(
    words, cwd=REPOSITORY, stdout=pipe, stderr=pipe, text=True, **options
  )


def members(count: int) -> list[str]:
  """ADDRESS:PORT,N,I of each of `count` processes."""
  with socket.create_server(('localhost', 0)) as server:
    port = server.getsockname()[1]
  return [f'localhost:{port},{count},{i}' for i in range(count)]


def finish(
  running: Sequence[subprocess.Popen], code: int = 0, timeout: float = 400
) -> list[tuple[str, str]]:
  """Returns (stdout, stderr) of each; all must exit with the code."""
  try:
    said = [process.communicate(timeout=timeout) for process in running]
  finally:
    for process in running:
      process.kill()
  assert [x.returncode for x in running] == [code] * len(running), said
  return said


def environment(devices: int = 1) -> dict[str, str]:
  """The environment of a process with `devices` CPU devices."""
  return os.environ | {
    'JAX_PLATFORMS': 'cpu',
    'TF_CPP_MIN_LOG_LEVEL': '2',  # as `launch` sets it
    'XLA_FLAGS': (
      f'{os.environ.get("XLA_FLAGS", "")} '
      f'--xla_force_host_platform_device_count={devices}'
    ),
  }


def launch(
  *args: object, program: str = 'main', **options: Any
) -> subprocess.CompletedProcess:
  """Runs a program to its end; `options` go to subprocess.run."""
  if not options and forked.fits():
    return forked.run(program, [str(x) for x in args])
  return subprocess.run(
    command(*args, program=program),
    cwd=REPOSITORY,
    capture_output=True,
    text=True,
    timeout=1200,
    check=False,
    **options,
  )


def succeed(
  *args: object, program: str = 'main', **options: Any
) -> subprocess.CompletedProcess:
  done = launch(*args, program=program, **options)
  assert done.returncode == 0, done.stderr
  return done


def error_line(stderr: str) -> str:
  errors = [x for x in stderr.splitlines() if x.startswith('error: ')]
  assert len(errors) == 1, stderr
  return errors[0]


def assert_refused(
  done: subprocess.CompletedProcess, code: int, *words: str
) -> None:
  """Checks the exit code and that one error line holds the words."""
  assert 'Traceback' not in done.stderr, done.stderr
  assert done.returncode == code, done.stderr
  line = error_line(done.stderr)
  for word in words:
    assert word in line, line
