"""Does each part of the method help on Streets? The table of docs/RESULTS.md.

  python -m benchmarks.streets_results --seeds=0,1,2 --out=runs/results

Every row is a run of `launch.main` on configs/streets_active.py; rows of one
seed share stage 1, whose workdir is copied. What has been run before is kept.
`--split=val` is for choosing settings; the table is on the test split.
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

from absl import app, flags

_SEEDS = flags.DEFINE_list('seeds', ['0', '1', '2'], 'Seeds of the runs.')
_OUT = flags.DEFINE_string('out', 'runs/results', 'Folder of the workdirs.')
_SPLIT = flags.DEFINE_enum('split', 'test', ('val', 'test'), 'Scored scenes.')
_JOBS = flags.DEFINE_integer('jobs', 2, 'Runs at a time, a core each.')
_OVERRIDE = flags.DEFINE_multi_string(
  'override', [], 'FIELD=VALUE for every run; may be given several times.'
)

# Row: what its run changes after stage 1, in the order of the paper's tables.
ROWS = {
  'self-training (K = 0)': ('acquire.strategy=self_training',),
  'random, 10 x 5 points': ('acquire.strategy=random',),
  'active, 10 x 5 points': ('acquire.strategy=active',),
  'full, 128 x 5 points': ('acquire.strategy=full',),
}
CONTROL = 'no adaptation, stage 1 as long'


def main(argv: list[str]) -> None:
  """Runs what is missing, then prints the table as Markdown."""
  del argv
  out = pathlib.Path(_OUT.value)
  cores: queue.Queue[int] = queue.Queue()
  for core in range(_JOBS.value):
    cores.put(core)
  with concurrent.futures.ThreadPoolExecutor(_JOBS.value) as pool:

    def launch(workdir: pathlib.Path, stage: str, *fields: str) -> None:
      core = cores.get()
      try:
        run(workdir, stage, core, *fields)
      finally:
        cores.put(core)

    def after_uda(base: pathlib.Path, row: str, seed: str) -> None:
      workdir = base.parent / slug(row)
      if not workdir.exists():
        part = workdir.with_suffix('.part')
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(base, part)
        part.rename(workdir)
      launch(workdir, 'all', f'seed={seed}', *ROWS[row])

    bases = {seed: out / f'seed{seed}' / 'uda' for seed in _SEEDS.value}
    stage_1 = {
      seed: pool.submit(launch, base, 'uda', f'seed={seed}')
      for seed, base in bases.items()
    }
    jobs = []
    for seed, base in bases.items():
      stage_1[seed].result()
      jobs += [pool.submit(after_uda, base, row, seed) for row in ROWS]
    for job in jobs:
      job.result()
    controls = [
      pool.submit(
        launch, base.parent / slug(CONTROL), 'uda', f'seed={seed}',
        'uda.strategy=source_only',
      )
      for seed, base in bases.items()
    ]  # fmt: skip
    for seed, job in zip(bases, controls, strict=True):
      job.result()
      launch(
        bases[seed].parent / slug(CONTROL), 'evaluate', f'seed={seed}',
        'uda.strategy=source_only',
      )  # fmt: skip
  print(table(out))


def run(workdir: pathlib.Path, stage: str, core: int, *fields: str) -> None:
  """One run of the command on one core; its output goes beside its workdir."""
  settings = (
    f'data.evaluation.split={_SPLIT.value}',
    *_OVERRIDE.value,
    *fields,
  )
  command = [
    sys.executable, '-m', 'launch.main', f'--workdir={workdir}',
    '--config=configs/streets_active.py', f'--stage={stage}',
    *(f'--config.{field}' for field in settings),
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


def table(out: pathlib.Path) -> str:
  """Mean and standard deviation over the seeds, mIoU in percent."""

  def scores(row: str, model: str) -> list[float]:
    paths = (
      out / f'seed{seed}' / row / 'evaluate' / f'{model}-{_SPLIT.value}.json'
      for seed in _SEEDS.value
    )
    return [100 * json.loads(path.read_text())['miou'] for path in paths]

  active = slug('active, 10 x 5 points')
  rows = {
    'no adaptation': scores(active, 'source_only'),
    CONTROL: scores(slug(CONTROL), 'uda'),
    'UDA (AdvEnt)': scores(active, 'uda'),
    **{row: scores(slug(row), 'adapt') for row in ROWS},
  }
  seeds = ' | '.join(f'seed {seed}' for seed in _SEEDS.value)
  lines = [
    f'| | mean | std | {seeds} |',
    '| --- ' * (3 + len(_SEEDS.value)) + '|',
  ]
  for row, values in rows.items():
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    each = ' | '.join(f'{value:.1f}' for value in values)
    mean = statistics.mean(values)
    lines.append(f'| {row} | {mean:.1f} | {spread:.1f} | {each} |')
  return '\n'.join(lines)


def slug(row: str) -> str:
  """A row's name as a folder's."""
  return ''.join(c if c.isalnum() else '_' for c in row)


if __name__ == '__main__':
  app.run(main)
