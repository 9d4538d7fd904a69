"""What the runs of a study consist of, and where it leaves its traces."""

import pathlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import ml_collections

from pointsup_jax.run import trained_models
from pointsup_jax.run import workdir as workdir_lib
from pointsup_jax.study import rows, runs, settings

# Groups of fields that hardly change how long a step of training takes.
_AS_FAST = ('acquire', 'annotate', 'losses', 'optim')

Kind = tuple[str, runs.Fields]


class Task(NamedTuple):
  """A training phase, or another stage, of a run.

  Attributes:
    name: for messages; that of a stage without training is as in
      history.jsonl.
    kind: tasks of one kind take about as long: a training phase for each step,
      another stage in all.
    done: exists once it is done.
    steps: the length of a training phase; 0 for other stages.
    trace: metrics.jsonl of a training phase; else history.jsonl.
  """

  name: str
  kind: Kind
  done: pathlib.Path
  steps: int
  trace: pathlib.Path

  @property
  def units(self) -> int:
    """What is counted: steps, or the stage itself."""
    return self.steps or 1


class Run(NamedTuple):
  """A workdir of a study.

  Attributes:
    name: its row and seed.
    folder: the workdir.
    base: the workdir of the stage 1 that it continues, if it does.
    tasks: in their order; without what it takes over from another workdir.
  """

  name: str
  folder: pathlib.Path
  base: pathlib.Path | None
  tasks: Sequence[Task]


def all_runs(study: rows.Study, *, points: bool) -> list[Run]:
  """The runs of `runs.Runner`, each stage 1 once, in about their order."""
  found = []
  titles = rows.named_by(study.settings)
  for seed in study.seeds:
    shared: set[runs.Fields] = set()  # source-only phases
    for fields, named in titles.items():
      setting = next(x for x in study.settings if x.stage_1 == fields)
      folder = runs.base(study.out, fields, seed)
      tasks = _stage_1(
        study, setting, folder, takes_over=setting.source_only in shared
      )
      shared.add(setting.source_only)
      name = f'{rows.level(rows.UDA, named)}, seed {seed}'
      found.append(Run(name, folder, None, tasks))
  if points:
    for seed in study.seeds:
      for setting in study.settings:
        base, folder = runs.folders(study.out, setting, seed)
        tasks = list(_with_points(study, setting, folder))
        name = f'{runs.title(setting.fields)}, seed {seed}'
        found.append(Run(name, folder, base, tasks))
  return found


def _stage_1(
  study: rows.Study,
  setting: runs.Setting,
  folder: pathlib.Path,
  *,
  takes_over: bool,
) -> list[Task]:
  config = settings.changed(study.config, setting.fields)
  workdir = workdir_lib.Workdir(folder)
  tasks = []
  if config.uda.source_only_steps and not takes_over:
    tasks.append(
      _training(
        'source only',
        setting.source_only,
        config.uda.source_only_steps,
        workdir.source_only,
        workdir.done('uda'),
      )
    )
  for phase in trained_models.phases_of_stage_1(workdir, config):
    name = 'stage 1' if phase == workdir.uda else f'stage 1 {phase.root.name}'
    tasks.append(
      _training(
        name, setting.stage_1, config.uda.steps, phase, workdir.done('uda')
      )
    )
  scores = workdir.evaluation('uda', study.split)
  return [*tasks, _other('evaluate', workdir, scores)]


def _with_points(
  study: rows.Study, setting: runs.Setting, folder: pathlib.Path
) -> Iterator[Task]:
  config: ml_collections.ConfigDict
  config = settings.changed(study.config, setting.fields)
  rounds = config.acquire.rounds
  for round in range(1, rounds + 1):
    workdir = workdir_lib.Workdir(folder, rounds, round)
    for stage in ('acquire', 'annotate'):
      yield _other(stage, workdir, workdir.done(stage))
    fields = tuple(x for x in setting.fields if not x[0].startswith('uda.'))
    name = 'stage 3' + (f', round {round}' if rounds > 1 else '')
    task = _training(
      name, fields, config.adapt.steps, workdir.adapt, workdir.done('adapt')
    )
    yield task._replace(kind=('stage 3', task.kind[1]))  # as in all rounds
  workdir = workdir_lib.Workdir(folder, rounds, rounds)
  yield _other('evaluate', workdir, workdir.evaluation('adapt', study.split))
  yield _other('report', workdir, workdir.report / 'index.html')


def _training(
  name: str,
  fields: runs.Fields,
  steps: int,
  phase: workdir_lib.Phase,
  done: pathlib.Path,
) -> Task:
  slower = tuple(
    (field, value)
    for field, value in sorted(fields)
    if field.split('.')[0] not in _AS_FAST and not field.endswith('steps')
  )
  return Task(name, (name, slower), done, steps, phase.metrics)


def _other(
  stage: str, workdir: workdir_lib.Workdir, done: pathlib.Path
) -> Task:
  return Task(stage, (stage, ()), done, 0, workdir.history)
