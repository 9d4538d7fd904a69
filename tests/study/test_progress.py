"""What a study says of fake workdirs."""

import json

import pytest

from configs import streets_active
from pointsup_jax.study import plan, progress, rows, runs, settings, traces

CONFIG = streets_active.get_config()
CONFIG.uda.update(source_only_steps=100, steps=200)
CONFIG.adapt.steps = 50
SCORE = ('acquire.score=entropy,random',)


@pytest.fixture(autouse=True)
def _everything_is_due(monkeypatch):
  monkeypatch.setattr(progress.progress.Line, 'due', True)


def planned(out, vary=SCORE, also=(), seeds=1, points=True):
  found = list(settings.chosen(vary, also, CONFIG))
  study = rows.Study(out, found, range(seeds), CONFIG)
  return plan.all_runs(study, points=points)


def log(path, *records):
  """Writes metrics.jsonl of (step, seconds)."""
  path.parent.mkdir(parents=True, exist_ok=True)
  lines = [
    json.dumps({'step': step, 'loss': 1.0, 'lr': 0.1, 'seconds': seconds})
    for step, seconds in records
  ]
  path.write_text('\n'.join(lines) + '\n')


def mark(path):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.touch()


def sessions(folder, **seconds):
  """Writes history.jsonl: seconds by stage."""
  told = {'began': '', 'outcome': 'done', 'command': ''}
  lines = [
    json.dumps({'stage': stage, 'seconds': x, **told}) + '\n'
    for stage, x in seconds.items()
  ]
  (folder / 'history.jsonl').write_text(''.join(lines))


def finish(run, seconds=1.0, start=0.0):
  """As a run leaves it: so many seconds a step, or a stage."""
  run.folder.mkdir(parents=True, exist_ok=True)
  for task in run.tasks:
    mark(task.done)
    if task.steps:
      log(task.trace, *((s, start + s * seconds) for s in (1, task.steps)))
  others = {x.name: seconds for x in run.tasks if not x.steps}
  sessions(run.folder, **others)


def said(runs_, running=(), ended=None, jobs=1):
  tails = traces.Tails()
  of = {
    run.folder: [traces.of_task(x, tails) for x in run.tasks] for run in runs_
  }
  folders = [run.folder for run in running]
  return progress.text(runs_, of, folders, ended or {}, jobs).split('; ')


def left(runs_, **options):
  return said(runs_, **options)[1]


def named(run):
  return [(task.name, task.steps) for task in run.tasks]


def test_the_plan_has_each_stage_1_once_for_all_that_share_it(tmp_path):
  found = planned(tmp_path, also=['uda.strategy=intrada'], seeds=2)
  assert [run.name for run in found[:2]] == [
    'UDA, seed 0',
    'UDA, uda.strategy=intrada, seed 0',
  ]
  assert len(found) == 2 * 2 + 2 * 3
  assert named(found[0]) == [
    ('source only', 100), ('stage 1', 200), ('evaluate', 0)
  ]  # fmt: skip
  # The second takes over the source-only phase.
  assert named(found[1]) == [
    ('stage 1 inter', 200), ('stage 1', 200), ('evaluate', 0)
  ]  # fmt: skip
  assert found[4].base == found[0].folder
  assert found[6].base == found[1].folder
  assert len(planned(tmp_path, points=False)) == 1


def test_its_workdirs_are_those_that_the_runner_uses(tmp_path):
  found = planned(tmp_path)
  setting = next(settings.chosen(SCORE, (), CONFIG))
  assert (found[0].folder, found[1].folder) == runs.folders(
    tmp_path, setting, 0
  )


def test_the_plan_has_stage_3_of_every_round(tmp_path):
  (_, run) = planned(tmp_path, vary=['acquire.rounds=2'])
  assert [name for name, steps in named(run) if steps] == [
    'stage 3, round 1',
    'stage 3, round 2',
  ]
  assert run.tasks[2].trace == run.folder / 'adapt/round_1/metrics.jsonl'


def test_nothing_is_guessed_before_anything_was_measured(tmp_path):
  found = planned(tmp_path)
  assert said(found) == ['0 of 3 runs done', 'time left: not measured yet']
  first = found[0].tasks[0]
  log(first.trace, (10, 40.0), (15, 45.0))
  assert said(found, running=found[:1]) == [
    '0 of 3 runs done',
    'time left: not measured yet',
    'UDA, seed 0: source only, step 15 of 100',
  ]


def test_the_time_left_is_that_of_the_steps_left(tmp_path):
  found = planned(tmp_path, seeds=2)
  base = found[0]
  log(base.tasks[0].trace, (20, 100.0), (40, 140.0))  # after 60 s of compiling
  # 60 steps of this phase and all 100 of the other seed's, 2 s each.
  assert said(found, running=[base]) == [
    '0 of 6 runs done',
    'at least 5 min left',
    'UDA, seed 0: source only, step 40 of 100',
    'not measured yet: stage 1, evaluate, acquire and 3 more',
  ]
  for run in (base, found[2]):
    finish(run, seconds=1.0)
  # 2 bases of 301 s, and 4 runs of 54 s; one of each is done.
  assert left(found) == 'about 8 min left'
  assert left(found, jobs=2) == 'about 5 min left'  # that base alone
  finish(found[1])
  assert left(found) == 'about 3 min left'
  assert left(found, jobs=3) == 'about 54 s left'


def test_finished_phases_count_with_what_came_before_their_steps(tmp_path):
  found = planned(tmp_path, seeds=2, points=False)
  finish(found[0], seconds=1.0, start=100.0)
  # 2 phases of 100 s more each, evaluation of 1 s.
  assert left(found) == 'about 8 min left'


def test_settings_of_other_speed_are_measured_apart(tmp_path):
  vary = ['model.width=8,12', 'optim.lr=1e-3,1e-4']
  found = planned(tmp_path, vary=vary, points=False)
  finish(found[0])
  assert len(found) == 4
  # Those of the same width, which another rate does not slow down.
  assert said(found)[1:] == [
    'at least 5 min left',
    'not measured yet: source only with model.width=12, stage 1 with '
    'model.width=12',
  ]


def test_finished_runs_of_before_are_done_and_no_measure_of_nothing(tmp_path):
  found = planned(tmp_path, seeds=2)
  for run in found[:3]:
    finish(run)
  again = found[2]
  # The run is continued: its stages are passed, and the report is written.
  with (again.folder / 'history.jsonl').open('a') as file:
    for stage in ('evaluate', 'report'):
      session = {'stage': stage, 'seconds': 0.0, 'outcome': 'done'}
      file.write(json.dumps({**session, 'began': '', 'command': ''}) + '\n')
  before = said(found)
  assert before == ['3 of 6 runs done', 'about 3 min left']
  assert said(found, running=[again]) == [
    '2 of 6 runs done',
    'about 3 min left',
    'score=entropy, seed 0: ends',
  ]
  assert said(found, ended={again.folder: None}) == before


def test_a_resumed_phase_is_measured_in_its_last_session(tmp_path):
  found = planned(tmp_path, points=False)
  log(found[0].tasks[0].trace, (10, 5.0), (20, 500.0), (30, 30.0), (40, 50.0))
  assert left(found).startswith('at least 2 min left')  # 60 steps of 2 s
  finish(found[0])
  log(found[0].tasks[0].trace, (90, 500.0), (100, 30.0))
  tails = traces.Tails()
  assert traces.of_task(found[0].tasks[0], tails).units == 0


def test_failed_runs_and_those_that_need_them_are_not_waited_for(tmp_path):
  found = planned(tmp_path, also=['uda.strategy=minent'], seeds=1)
  base, other, *of_base, of_other = found
  finish(base)
  finish(of_base[0])
  ended = {base.folder: None, other.folder: 'exit code 1'}
  assert said(found, ended=ended) == [
    '2 of 5 runs done, 1 failed',
    'about 54 s left',
  ]
  ended |= {of_base[1].folder: 'exit code 1', of_other.folder: 'it failed'}
  assert said(found, ended=ended) == ['2 of 5 runs done, 3 failed']


def test_every_job_is_said_with_its_row_seed_stage_and_step(tmp_path):
  found = planned(tmp_path, seeds=2)
  for run in found[:2]:
    finish(run)
  one, two = found[2], found[5]
  for task in two.tasks[:2]:
    mark(task.done)
  log(two.tasks[2].trace, (7, 9.0))
  assert said(found, running=[one, two], jobs=2)[2:4] == [
    'score=entropy, seed 0: acquire',
    'score=random, seed 1: stage 3, step 7 of 50',
  ]


def test_only_the_end_of_a_long_log_is_read(tmp_path):
  found = planned(tmp_path, points=False)
  path = found[0].tasks[0].trace
  log(path, *((1 + i // 100, i * 1.0) for i in range(5_000)))
  records, whole = traces.Tails().read(path, traces.Record)
  assert not whole
  assert 100 < len(records) < 1_000
  assert records[-1] == traces.Record(50, 4_999.0)


def test_lines_that_are_not_complete_or_no_records_are_left_out(tmp_path):
  path = tmp_path / 'metrics.jsonl'
  path.write_text('{"step": 1, "seconds": 2.0}\n[]\n\xff\n{"step": 2, "sec')
  tails = traces.Tails()
  expected = [traces.Record(1, 2.0)]
  assert tails.read(path, traces.Record) == (expected, True)
  with path.open('a') as file:
    file.write('onds": 4.0}\n')
  assert len(tails.read(path, traces.Record)[0]) == 2
  assert tails.read(tmp_path / 'none', traces.Record) == ([], True)


def test_the_watch_sees_what_runs_write_meanwhile(tmp_path, capsys):
  found = planned(tmp_path, points=False)
  with progress.Watch(found, jobs=1) as watch:
    watch.show([found[0].folder], {})
    finish(found[0])
    watch.show([found[0].folder], {})
    watch.show([], {found[0].folder: None})
  lines = capsys.readouterr().err.splitlines()
  assert [line.split('; ')[0] for line in lines] == [
    'study: 0 of 1 runs done',
    'study: 0 of 1 runs done',
    'study: 1 of 1 runs done',
  ]
  assert lines[1].endswith('UDA, seed 0: ends')
