import os
import resource
import subprocess
import time

import pytest
from launching import (
  REPOSITORY,
  STREETS,
  TINY,
  assert_refused,
  command,
  launch,
  succeed,
)


def test_the_second_run_in_a_workdir_is_refused(tmp_path):
  args = (STREETS, *TINY, f'--workdir={tmp_path / "run"}', '--stage=uda')
  first = subprocess.Popen(
    command(*args),
    cwd=REPOSITORY,
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
  )
  try:
    deadline = time.monotonic() + 120
    while not (tmp_path / 'run' / 'uda').exists():
      assert first.poll() is None
      assert time.monotonic() < deadline
      time.sleep(0.02)
    first_says = (f'process {first.pid} ', 'is at work', '--workdir')
    assert_refused(launch(*args), 1, *first_says)
    assert_refused(launch(*args, '--overwrite'), 1, *first_says)
    assert (tmp_path / 'run' / 'config.json').exists()
  finally:
    first.kill()
    first.wait()


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_the_same_command_goes_on(tmp_path):
  args = (STREETS, *TINY, f'--workdir={tmp_path / "run"}', '--stage=uda')
  hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
  done = launch(
    *args,
    '--compilation_cache=',
    # A limit of 100 kB per file stands for a full disk.
    preexec_fn=lambda: resource.setrlimit(
      resource.RLIMIT_FSIZE, (100_000, hard)
    ),
  )
  assert_refused(
    done, 1, 'checkpoints/2 could not be written', 'the same command'
  )
  assert [line for line in done.stderr.splitlines() if 'Error' in line] == [], (
    done.stderr
  )
  succeed(*args)


def test_a_workdir_that_cannot_be_written_is_one_line(tmp_path):
  (tmp_path / 'file').touch()
  done = launch(STREETS, *TINY, f'--workdir={tmp_path / "file" / "run"}')
  assert_refused(done, 1, f'{tmp_path}/file/run', 'the same command')


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write everywhere')
def test_a_folder_without_permission_is_one_line(tmp_path):
  (tmp_path / 'shut').mkdir(mode=0o500)
  done = launch(STREETS, *TINY, f'--workdir={tmp_path / "shut" / "run"}')
  assert_refused(done, 1, 'Permission denied', f'{tmp_path}/shut/run')
