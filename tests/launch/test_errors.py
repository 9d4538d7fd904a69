"""Bad input gets one clear line and an exit code; nothing is overwritten."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests_support import REPOSITORY

# A run that would be over at once if it were not wrong.
TINY = (
  '--config=configs/streets_active.py',
  '--config.data.source.length=4',
  '--config.data.target.length=4',
  '--config.data.evaluation.length=4',
)


def launch(*args, timeout=240):
  return subprocess.run(
    [sys.executable, '-m', 'launch.main', *map(str, args)],
    cwd=REPOSITORY,
    capture_output=True,
    text=True,
    timeout=timeout,
    check=False,
  )


def assert_refused(done, code, *words):
  assert done.returncode == code, done.stderr
  assert 'Traceback' not in done.stderr
  last = done.stderr.strip().splitlines()[-1]
  assert last.startswith('error: ')
  for word in words:
    assert word in last, last
