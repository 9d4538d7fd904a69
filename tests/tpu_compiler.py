"""The TPU's own compiler, which needs no TPU.

POINTSUP_LIBTPU names a folder with the release that fits jax (.ci/run makes
it). A separate process loads it, because any program that finds it looks for a
TPU.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).parents[1]
LIBTPU = os.environ.get('POINTSUP_LIBTPU')


def run(*words):
  """Runs Python with these arguments; returns what it prints last, as JSON."""
  if not LIBTPU:
    pytest.skip('POINTSUP_LIBTPU names no folder with libtpu')
  done = subprocess.run(
    [sys.executable, *words],
    capture_output=True,
    text=True,
    check=False,
    cwd=REPOSITORY,
    env={
      **os.environ,
      'JAX_PLATFORMS': 'cpu',
      'PYTHONPATH': os.pathsep.join([str(REPOSITORY), LIBTPU]),
      'TPU_SKIP_MDS_QUERY': '1',  # skip the metadata server
      'ALLOW_MULTIPLE_LIBTPU_LOAD': '1',
    },
  )
  assert done.returncode == 0, done.stderr
  return json.loads(done.stdout.splitlines()[-1])
