"""Runs commands in forks of one process that has imported what they need.

A new process takes two seconds to import jax and the rest, far longer than most
tests' commands take themselves; a fork starts at once. No array has been made
before, and it reads its flags and its config as a new process does.
"""

import atexit
import functools
import importlib
import json
import os
import pathlib
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence

REPOSITORY = pathlib.Path(__file__).parents[2]
_SECONDS_AT_MOST = 1200
_IMPORTED = (
  'launch',
  'pointsup_jax.annotation.exchange.exporting',
  'pointsup_jax.annotation.exchange.transfer',
  'pointsup_jax.data.inspection',
  'pointsup_jax.stages.sequence',
  'pointsup_jax.study.results',
)


def run(program: str, arguments: Sequence[str]) -> subprocess.CompletedProcess:
  """Runs `python -m launch.PROGRAM ARGUMENTS` in the repository."""
  with tempfile.TemporaryDirectory() as folder:
    files = [pathlib.Path(folder, name) for name in ('stdout', 'stderr')]
    code = _ask(program, arguments, files)
    output, error = (file.read_text() for file in files)
  return subprocess.CompletedProcess([program, *arguments], code, output, error)


def fits() -> bool:
  """Whether the environment is that in which the process was started."""
  return _environment() == _server()[1]


def _environment() -> dict[str, str]:
  return {
    name: value
    for name, value in os.environ.items()
    if name != 'PYTEST_CURRENT_TEST'
  }


@functools.cache
def _server() -> tuple[subprocess.Popen, dict[str, str]]:
  server = subprocess.Popen(
    [sys.executable, '-m', 'tests.launch.forked'],
    cwd=REPOSITORY,
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
  )
  atexit.register(server.kill)
  return server, _environment()


def _ask(
  program: str, arguments: Sequence[str], files: Sequence[pathlib.Path]
) -> int:
  server, _ = _server()
  assert server.stdin is not None
  assert server.stdout is not None
  request = json.dumps([program, arguments, *map(str, files)])
  print(request, file=server.stdin, flush=True)
  code = server.stdout.readline()
  assert code, 'the process that forks has ended'
  return int(code)


def serve() -> None:
  """Forks for each request, and prints the child's exit code."""
  for name in _IMPORTED:
    importlib.import_module(name)
  for line in sys.stdin:
    program, arguments, *files = json.loads(line)
    child = os.fork()
    if not child:
      _become(program, arguments, files)
      return
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)


def _become(
  program: str, arguments: Sequence[str], files: Sequence[str]
) -> None:
  signal.alarm(_SECONDS_AT_MOST)
  os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
  sys.stdin = open(0)  # noqa: SIM115, open until the end
  for number, path in enumerate(files, start=1):
    os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
  sys.argv = [f'launch/{program}.py', *arguments]
  runpy.run_module(f'launch.{program}', run_name='__main__', alter_sys=True)


if __name__ == '__main__':
  serve()
