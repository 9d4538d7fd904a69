"""The runner tells what is at work, with a script in place of launch.main."""

import os
import stat
import sys

import pytest

from configs import streets_active
from pointsup_jax.study import runs, settings

SCRIPT = """#!/bin/sh
for word in "$@"; do
  case $word in
    --workdir=*) folder=${word#--workdir=} ;;
    --stage=*) stage=${word#--stage=} ;;
  esac
done
sleep 0.3
mkdir -p "$folder/uda/checkpoints/5"
echo "$folder" >> "$folder/uda/metrics.jsonl"
[ -e "$folder/uda/DONE" ] || echo weights > "$folder/uda/checkpoints/5/state"
touch "$folder/uda/DONE"
case $folder$stage in
  *k_2all) echo 'error: it is broken' >&2; exit 1 ;;
esac
"""


@pytest.fixture(autouse=True)
def _script(tmp_path, monkeypatch):
  script = tmp_path / 'python'
  script.write_text(SCRIPT)
  script.chmod(script.stat().st_mode | stat.S_IXUSR)
  monkeypatch.setattr(sys, 'executable', str(script))
  monkeypatch.setattr(sys, 'argv', ['study'])
  monkeypatch.setattr(runs, '_SECONDS_BETWEEN_LOOKS', 0.02)


def chosen():
  config = streets_active.get_config()
  return list(settings.chosen(['acquire.k=1,2'], [], config))


def test_it_tells_what_is_at_work_and_what_has_ended_how(tmp_path):
  out, told = tmp_path / 'out', []

  def show(running, ended):
    told.append(({x.name for x in running}, {**ended}))

  failed = runs.Runner(out, 2, show).run(chosen(), [0], points=True)
  base, one, two = (out / 'seed_0' / x for x in ('stage_1', 'k_1', 'k_2'))
  assert failed == {two: 'error: it is broken'}
  assert told[0][1] == {}
  assert ({'stage_1'}, {}) in told
  assert ({'k_1', 'k_2'}, {base: None}) in told
  assert told[-1] == (set(), {base: None, one: None, two: failed[two]})


def test_ctrl_c_while_it_tells_stops_the_runs(tmp_path):
  def show(running, ended):
    if running:
      raise KeyboardInterrupt

  runner = runs.Runner(tmp_path / 'out', 1, show)
  with pytest.raises(KeyboardInterrupt):
    runner.run(chosen(), [0], points=True)
  assert not (tmp_path / 'out/seed_0/k_1').exists()


def test_checkpoints_of_stage_1_are_shared_and_all_else_is_copied(tmp_path):
  out = tmp_path / 'checkpoints/out'  # a name of the user's means nothing
  runs.Runner(out, 1, lambda *_: None).run(chosen(), [0], points=True)
  base, one = (out / 'seed_0' / name / 'uda' for name in ('stage_1', 'k_1'))
  state = 'checkpoints/5/state'
  assert (one / state).samefile(base / state)
  assert (one / state).read_text() == 'weights\n'
  lines = [len((x / 'metrics.jsonl').open().readlines()) for x in (base, one)]
  assert lines == [2, 3]  # stage 1 and evaluation; then the run's own


def test_without_links_checkpoints_are_copied(tmp_path, monkeypatch):
  def refuse(*unused):
    raise OSError('no links here')

  monkeypatch.setattr(os, 'link', refuse)
  out = tmp_path / 'out'
  runs.Runner(out, 1, lambda *_: None).run(chosen(), [0], points=True)
  state = 'uda/checkpoints/5/state'
  base, one = (out / 'seed_0' / name / state for name in ('stage_1', 'k_1'))
  assert one.read_text() == base.read_text()
  assert not one.samefile(base)
