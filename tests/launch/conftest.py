import fcntl
import os
import pathlib
import shutil
from collections.abc import Callable

import pytest
from launching import succeed, tiny


@pytest.fixture(scope='session')
def stage_1(
  tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[pathlib.Path], pathlib.Path]:
  """Copies a tiny run that has done stage 1 to a path, and returns that.

  The processes of pytest-xdist share the run.
  """
  root = tmp_path_factory.getbasetemp()
  if 'PYTEST_XDIST_WORKER' in os.environ:
    root = root.parent
  trained = root / 'stage_1'
  with (root / 'stage_1.lock').open('w') as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not (trained / 'uda/DONE').exists():
      succeed(*tiny(trained, '--stage=uda'))
  return lambda path: shutil.copytree(trained, path)
