"""The tables of docs/RESULTS.md on Streets.

  python -m benchmarks.streets_results --table=strategies --out=runs/results

`strategies`: each adaptation method alone and followed by points. `gap`: how
much there is to gain. Every row is runs of `launch.main` on
configs/streets_active.py; rows of one method share stage 1, whose workdir is
copied. What has been run before is kept.
`--split=val` is for choosing settings; the tables are on the test split.
"""

import concurrent.futures
import json
import os
import pathlib
import queue
import shutil
import statistics
import subprocess
import sys
import time
from typing import NamedTuple

from absl import app, flags

_TABLE = flags.DEFINE_enum(
  'table', 'strategies', ('strategies', 'gap'), 'Which table.'
)
_SEEDS = flags.DEFINE_list('seeds', ['0', '1', '2'], 'Seeds of the runs.')
_OUT = flags.DEFINE_string('out', 'runs/results', 'Folder of the workdirs.')
_SPLIT = flags.DEFINE_enum('split', 'test', ('val', 'test'), 'Scored scenes.')
_JOBS = flags.DEFINE_integer('jobs', 2, 'Runs at a time, a core each.')
_OVERRIDE = flags.DEFINE_multi_string(
  'override', [], 'FIELD=VALUE for every run; may be given several times.'
)


class Row(NamedTuple):
  """A line of a table: a model, and the fields of its run."""

  title: str
  model: str  # 'source_only', 'uda' or 'adapt'
  stage_1: tuple[str, ...]
  later: tuple[str, ...] = ()  # fields that only stages after 1 depend on


def method(name: str) -> tuple[str, ...]:
  """Stage 1 with this method, and stage 3 with it or its last phase's."""
  last = 'advent' if name == 'intrada' else name
  return (f'uda.strategy={name}', f'adapt.strategy={last}')


SOURCE_ONLY = method('source_only')
METHODS = ('source_only', 'minent', 'advent', 'adaptsegnet', 'intrada')
ON_CAMERA = ('data.source.dataset=streets_camera', *SOURCE_ONLY)
TABLES = {
  'strategies': tuple(
    row
    for name in METHODS
    for row in (
      Row(f'{name}, alone', 'uda', method(name)),
      Row(
        f'{name}, then active 10 x 5 points',
        'adapt',
        method(name),
        ('acquire.strategy=active',),
      ),
    )
  ),
  'gap': (
    Row('trained on game, scored on camera', 'uda', SOURCE_ONLY),
    Row(
      'trained on game, scored on game',
      'uda',
      SOURCE_ONLY,
      ('data.evaluation.dataset=streets_game',),
    ),
    Row('trained on camera, scored on camera', 'uda', ON_CAMERA),
  ),
}


def main(argv: list[str]) -> None:
  """Runs what is missing, then prints the table as Markdown."""
  del argv
  rows = TABLES[_TABLE.value]
  cores: queue.Queue[int] = queue.Queue()
  for core in range(_JOBS.value):
    cores.put(core)

  def launch(workdir: pathlib.Path, stage: str, fields: tuple[str, ...]):
    core = cores.get()
    try:
      run(workdir, stage, core, fields)
    finally:
      cores.put(core)

  def stage_1(row: Row, seed: str) -> None:
    fields = (f'seed={seed}', *row.stage_1)
    launch(base(row, seed), 'uda', fields)
    launch(base(row, seed), 'evaluate', fields)

  def later(row: Row, seed: str) -> None:
    folder = workdir(row, seed)
    if not folder.exists():
      part = folder.with_suffix('.part')
      shutil.rmtree(part, ignore_errors=True)
      shutil.copytree(base(row, seed), part)
      part.rename(folder)
    stage = 'all' if row.model == 'adapt' else 'evaluate'
    launch(folder, stage, (f'seed={seed}', *row.stage_1, *row.later))

  with concurrent.futures.ThreadPoolExecutor(_JOBS.value) as pool:
    bases = {base(row, seed): (row, seed) for row in rows for seed in seeds()}
    begun = {
      folder: pool.submit(stage_1, *what) for folder, what in bases.items()
    }
    jobs = []
    for folder, done in begun.items():
      done.result()
      jobs += [
        pool.submit(later, row, seed)
        for row in rows
        for seed in seeds()
        if row.later and base(row, seed) == folder
      ]
    for job in jobs:
      job.result()
  print(table(rows))


def seeds() -> list[str]:
  """Of the runs."""
  return _SEEDS.value


def base(row: Row, seed: str) -> pathlib.Path:
  """The workdir of a row's stage 1."""
  return pathlib.Path(_OUT.value, f'seed{seed}', slug(row.stage_1), 'stage_1')


def workdir(row: Row, seed: str) -> pathlib.Path:
  """The workdir of a row."""
  folder = base(row, seed)
  return folder.with_name(slug(row.later)) if row.later else folder


def slug(fields: tuple[str, ...]) -> str:
  """Fields as the name of a folder."""
  return '-'.join(field.split('=')[1] for field in fields)


def run(
  workdir: pathlib.Path, stage: str, core: int, fields: tuple[str, ...]
) -> None:
  """One run of the command on one core; its output goes beside its workdir."""
  split = f'data.evaluation.split={_SPLIT.value}'
  command = [
    sys.executable, '-m', 'launch.main', f'--workdir={workdir}',
    '--config=configs/streets_active.py', f'--stage={stage}',
    *(f'--config.{field}' for field in (split, *_OVERRIDE.value, *fields)),
  ]  # fmt: skip
  workdir.parent.mkdir(parents=True, exist_ok=True)
  began = time.monotonic()
  with workdir.with_suffix('.log').open('a') as log:
    subprocess.run(
      command, stdout=log, stderr=log, check=True,
      preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )  # fmt: skip
  minutes = (time.monotonic() - began) / 60
  print(f'{workdir} {stage}: {minutes:.1f} min', file=sys.stderr, flush=True)
  with workdir.with_suffix('.minutes').open('a') as file:
    file.write(f'{minutes}\n')


def table(rows: tuple[Row, ...]) -> str:
  """mIoU in percent: mean and standard deviation over the seeds.

  Minutes are those of one core, of the stages after the shared first one where
  a row has them.
  """
  each = ' | '.join(f'seed {seed}' for seed in seeds())
  lines = [
    f'| | mean | std | {each} | minutes |',
    '| --- ' * (4 + len(seeds())) + '|',
  ]
  for row in rows:
    folders = [workdir(row, seed) for seed in seeds()]
    values = [miou(folder, row.model) for folder in folders]
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    minutes = statistics.mean(
      sum(map(float, folder.with_suffix('.minutes').read_text().split()))
      for folder in folders
    )
    cells = [
      row.title,
      *(f'{x:.1f}' for x in (statistics.mean(values), spread, *values)),
      f'{minutes:.1f}',
    ]
    lines.append(f'| {" | ".join(cells)} |')
  return '\n'.join(lines)


def miou(folder: pathlib.Path, model: str) -> float:
  """Of a model, in percent."""
  path = folder / 'evaluate' / f'{model}-{_SPLIT.value}.json'
  return 100 * json.loads(path.read_text())['miou']


if __name__ == '__main__':
  app.run(main)
