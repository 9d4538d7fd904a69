"""Compares repeatedly killed runs with a run that was never killed.

  python -m tests.faults.harness --kills=100 --seed=0

Each chain kills the same command (SIGKILL) at random moments in every stage
and inside saves, then lets it finish. People answer whenever the run waits for
them, and correct an answer while stage 3 is stopped. Prints kills by stage, how
many hit a save, and the seconds to get ahead again; exits with 1 on any
difference.
"""

import argparse
import concurrent.futures
import contextlib
import hashlib
import json
import math
import pathlib
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pointsup_jax.annotation import store as store_lib
from pointsup_jax.run import workdir as workdir_lib

ROUNDS = 3
STAGES = ('uda', 'acquire', 'annotate', 'adapt', 'evaluate')
FLAGS = (
  '--config=configs/streets_active.py',
  '--config.data.source.length=12',
  '--config.data.target.length=24',
  '--config.data.evaluation.length=12',
  '--config.model.width=8',
  '--config.train.checkpoint_every=5',
  '--config.train.log_every=1',
  '--config.uda.source_only_steps=20',
  '--config.uda.steps=20',
  '--config.adapt.steps=20',
)
PEOPLE = (
  f'--config.acquire.rounds={ROUNDS}',
  '--config.annotate.oracle=file',
)
_LOOK_EVERY = 0.002  # seconds
_SECONDS_AT_MOST = 900.0  # for one start


class Moment(NamedTuple):
  """A kind of moment to kill at, in the order of a run."""

  title: str
  begins: str  # a path in the workdir, with wildcards; '': at the start
  ends: str  # a path whose existence means that it is too late
  spread: float  # seconds after `begins`, at most


_SAVING = 'checkpoints/*.orbax-checkpoint-tmp'
MOMENTS = (
  Moment('start', '', 'uda/DONE', 4.0),
  Moment('save', f'uda/source_only/{_SAVING}', 'uda/checkpoints', 0.15),
  Moment('training', 'uda/checkpoints', 'uda/DONE', 3.0),
  Moment('save', f'uda/{_SAVING}', 'uda/DONE', 0.15),
  # Both are brief: two dozen images, a few hundred answers.
  Moment('asking', 'acquire/pseudo_labels/*.png', 'acquire/round_1/DONE', 0.1),
  Moment('answering', 'acquire/round_1/DONE', 'annotate/round_1/DONE', 0.04),
  Moment('training', 'adapt/round_1/metrics.jsonl', 'adapt/round_1/DONE', 0.5),
  Moment('save', f'adapt/round_1/{_SAVING}', 'adapt/round_1/DONE', 0.15),
  Moment('asking', 'adapt/round_1/DONE', 'acquire/round_2/DONE', 1.0),
  Moment('answering', 'acquire/round_2/DONE', 'annotate/round_2/DONE', 0.04),
  Moment('save', f'adapt/round_2/{_SAVING}', 'adapt/round_2/DONE', 0.15),
  Moment('asking', 'adapt/round_2/DONE', 'acquire/DONE', 1.0),
  Moment('training', 'adapt/metrics.jsonl', 'adapt/DONE', 3.0),
  Moment('save', f'adapt/{_SAVING}', 'adapt/DONE', 0.15),
  Moment(
    'scoring', 'evaluate/source_only-*.json', 'evaluate/adapt-*.json', 1.5
  ),
)


# In the phases of training only.
TRAINING = (
  Moment('save', f'uda/source_only/{_SAVING}', 'uda/checkpoints', 0.15),
  *(
    moment
    for stage in ('uda', 'adapt')
    for moment in (
      Moment('training', f'{stage}/metrics.jsonl', f'{stage}/DONE', 3.0),
      Moment('save', f'{stage}/{_SAVING}', f'{stage}/DONE', 0.15),
    )
  ),
)


class Kill(NamedTuple):
  chain: int
  moment: str
  delay: float  # seconds after the moment began
  stage: str  # the first unfinished one
  in_save: bool  # a checkpoint was being written
  recovery: float  # seconds until ahead again; NaN: killed before


class Waits(Exception):
  """The run has ended because people have points to label."""


class Chain(NamedTuple):
  """A run killed several times."""

  kills: list[Kill]
  differences: list[str]  # from the uninterrupted run


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--kills', type=int, default=100)
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--jobs', type=int, default=1)
  parser.add_argument('--out', type=pathlib.Path)
  options, more = parser.parse_known_args()
  with tempfile.TemporaryDirectory() as folder:
    chains, seconds = soak(
      (*FLAGS, *PEOPLE, *more),
      pathlib.Path(folder),
      kills=options.kills,
      seed=options.seed,
      jobs=options.jobs,
    )
  print(f'uninterrupted: {seconds:.1f} s; {len(chains)} chains of kills')
  print(table([kill for chain in chains for kill in chain.kills]))
  for number, chain in enumerate(chains):
    for difference in chain.differences:
      print(f'chain {number}: {difference}')
  different = sum(bool(chain.differences) for chain in chains)
  print(f'identical in the end: {len(chains) - different} of {len(chains)}')
  if options.out:
    kills = [kill._asdict() for chain in chains for kill in chain.kills]
    options.out.write_text(json.dumps({'kills': kills, 'whole': seconds}))
  sys.exit(bool(different))


def table(kills: Sequence[Kill]) -> str:
  lines = [
    '| stage | kills | inside a save | recovery, median (most), s |',
    '| --- | --- | --- | --- |',
  ]
  for stage in (*STAGES, 'all'):
    mine = [kill for kill in kills if stage in (kill.stage, 'all')]
    # NaN: killed again before it was ahead.
    seconds = [x for kill in mine if (x := kill.recovery) == x]
    seconds = seconds or [float('nan')]
    lines.append(
      f'| {stage} | {len(mine)} | {sum(kill.in_save for kill in mine)} | '
      f'{statistics.median(seconds):.1f} ({max(seconds):.1f}) |'
    )
  return '\n'.join(lines)


def soak(
  flags: Sequence[str],
  folder: pathlib.Path,
  *,
  kills: int,
  seed: int,
  jobs: int,
  moments: Sequence[Moment] = MOMENTS,
) -> tuple[list[Chain], float]:
  """Runs chains until there are at least `kills` kills, `jobs` at a time.

  `flags` lack --workdir. Workdirs in `folder` without differences are deleted.
  Returns the chains and the seconds of the uninterrupted run.
  """
  whole = folder / 'whole'
  began = time.monotonic()
  finished = False
  while not finished:
    with Attempt(flags, whole) as attempt, answering(whole):
      attempt.finish()
      finished = True
  seconds = time.monotonic() - began
  expected = results(whole)
  chains: list[Chain] = []

  def chain(number: int) -> Chain:
    workdir = folder / f'chain_{number}'
    killed = kill_again_and_again(flags, workdir, moments, seed, number)
    differences = compare(expected, results(workdir))
    if not differences:
      shutil.rmtree(workdir)
    return Chain(killed, differences)

  with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
    # A fast run may pass some moments unseen, so more chains may be needed.
    while (missing := kills - sum(len(x.kills) for x in chains)) > 0:
      wanted = math.ceil(missing / len(moments))
      numbers = range(len(chains), len(chains) + wanted)
      chains += pool.map(chain, numbers)
  return chains, seconds


def kill_again_and_again(
  flags: Sequence[str],
  workdir: pathlib.Path,
  moments: Sequence[Moment],
  seed: int,
  number: int,
) -> list[Kill]:
  """Kills a run once at each moment it can catch, then lets it finish."""
  rng = random.Random(f'{seed}/{number}')
  left = [(moment, rng.uniform(0, moment.spread)) for moment in moments]
  kills: list[Kill] = []
  moment, delay = None, 0.0
  while True:
    killed = finished = False
    with Attempt(flags, workdir) as attempt, answering(workdir):
      while not killed and left:
        moment, delay = left[0]
        killed = attempt.kill(moment, delay)
        left.pop(0)
      if not killed:
        attempt.finish()
        finished = True
    if kills and kills[-1].recovery != kills[-1].recovery:
      kills[-1] = kills[-1]._replace(recovery=attempt.recovery)
    if finished:
      return kills
    if not killed:  # people have answered
      continue
    correct(workdir)
    kills.append(
      Kill(
        chain=number,
        moment=moment.title,
        delay=round(delay, 3),
        stage=unfinished(workdir),
        in_save=any(workdir.rglob('*.orbax-checkpoint-tmp')),
        recovery=float('nan'),
      )
    )


def unfinished(workdir: pathlib.Path) -> str:
  """The stage at which a run is."""
  in_rounds = next(workdir.glob('*/round_1'), None) is not None
  at = workdir_lib.Workdir(workdir, ROUNDS if in_rounds else 1).current()
  return next(x for x in STAGES if not at.done(x).exists())


@contextlib.contextmanager
def answering(workdir: pathlib.Path) -> Iterator[None]:
  """Answers open points when a run waits: half of a round's, then the rest."""
  try:
    yield
  except Waits:
    correct(workdir)
    path = workdir_lib.Workdir(workdir).annotations
    with store_lib.Store(path) as store:
      left = sorted(request.id for request in store.unanswered())
      new = max(request.round for request in store.requests())
      half = (1 + sum(r.round == new for r in store.requests())) // 2
      store.answer_many({x: _label(x) for x in left[:half] or left}, 'ana')


def correct(workdir: pathlib.Path) -> None:
  """Corrects an answer to the first round after its stage 3 has begun."""
  at = workdir_lib.Workdir(workdir, ROUNDS, round=1)
  if not at.adapt.answers.exists():
    return
  with store_lib.Store(at.annotations) as store:
    point = min(
      request.id for request in store.requests() if request.round == 1
    )
    if {said.annotator for said in store.answers_by_person(point)} == {'ana'}:
      store.answer(point, (_label(point) + 1) % 19, 'ben')


def _label(point: str) -> int:
  return zlib.crc32(point.encode()) % 19


class Attempt:
  """One start of the command; `recovery` is the seconds until it got ahead."""

  def __init__(self, flags: Sequence[str], workdir: pathlib.Path) -> None:
    self.recovery = float('nan')
    self._workdir = workdir
    self._before = progress(workdir)
    self._looked = self._began = time.monotonic()
    self._log = workdir.with_suffix('.log')  # of all starts
    with self._log.open('a') as log:
      self._process = subprocess.Popen(
        [sys.executable, '-m', 'launch.main', *flags, f'--workdir={workdir}'],
        cwd=pathlib.Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
        stderr=log,
      )

  def __enter__(self) -> 'Attempt':
    return self

  def __exit__(self, *unused: object) -> None:
    self._process.kill()
    self._process.wait()

  def kill(self, moment: Moment, delay: float) -> bool:
    """Kills at a moment; returns False if the run is already past it."""
    while not self._has(moment.begins):
      if self._has(moment.ends) or self._ended():
        return False
      time.sleep(_LOOK_EVERY)
    at = time.monotonic() + delay
    while time.monotonic() < at:
      if self._ended():
        return False
      time.sleep(_LOOK_EVERY)
    self._process.kill()
    self._process.wait()
    return True

  def finish(self) -> None:
    """Waits for the end; raises RuntimeError on failure or timeout."""
    while not self._ended():
      time.sleep(_LOOK_EVERY)

  def _has(self, pattern: str) -> bool:
    return not pattern or any(self._workdir.glob(pattern))

  def _ended(self) -> bool:
    """Whether the run has finished; also updates `recovery`."""
    now = time.monotonic()
    if self.recovery != self.recovery and now - self._looked > 0.05:
      self._looked = now
      if progress(self._workdir) > self._before:
        self.recovery = now - self._began
    code = self._process.poll()
    if code == 3:
      raise Waits
    late = now - self._began > _SECONDS_AT_MOST
    if code or late:
      raise RuntimeError(
        f'{self._workdir}: exit code {code} after {now - self._began:.0f} s: '
        f'{self._log.read_text()[-2000:]}'
      )
    if code == 0 and self.recovery != self.recovery:
      self.recovery = now - self._began
    return code == 0


def progress(workdir: pathlib.Path) -> int:
  """Counts a run's steps, images, scores and finished stages."""
  files = [
    *workdir.glob('acquire/pseudo_labels/*'),
    *workdir.glob('evaluate/*.json'),
    *workdir.glob('*/DONE'),
    *workdir.glob('*/*/DONE'),
  ]
  steps = [path.read_bytes().count(b'\n') for path in _metrics(workdir)]
  return len(files) + sum(steps)


def _metrics(workdir: pathlib.Path) -> list[pathlib.Path]:
  # rglob fails when a folder is renamed meanwhile, as checkpoints are.
  patterns = ('*/metrics.jsonl', '*/*/metrics.jsonl')
  return sorted(path for x in patterns for path in workdir.glob(x))


def results(workdir: pathlib.Path) -> dict[str, object]:
  """A run's results by path, without times."""
  found: dict[str, object] = {}
  for path in sorted(workdir.rglob('*')):
    name = path.relative_to(workdir).as_posix()
    if path.name == 'checkpoints':
      for step in path.iterdir():
        for item in ('segmenter', 'training'):
          found[f'{name}/{step.name}/{item}'] = _arrays(step / item)
    elif path.name == 'metrics.jsonl':
      records = [json.loads(line) for line in path.read_text().splitlines()]
      found[name] = [{**record, 'seconds': 0} for record in records]
    elif path.name == 'config.json':  # depends on the checkout
      found[name] = json.loads(path.read_text())['config']
    elif path.suffix in ('.png', '.json') or path.name == 'DONE':
      found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    elif path.suffix == '.sqlite':
      found |= _rows(path, name)
  return found


def _arrays(folder: pathlib.Path) -> dict[str, str]:
  """Checksums of a checkpoint's arrays; its file names are random."""
  import jax
  import numpy as np
  import orbax.checkpoint as ocp

  if not folder.is_dir():  # of an incomplete save
    return {}
  with ocp.StandardCheckpointer() as checkpointer:
    tree = checkpointer.restore(folder.absolute())
  return {
    jax.tree_util.keystr(key): hashlib.sha256(
      np.asarray(x).tobytes()
    ).hexdigest()
    for key, x in jax.tree_util.tree_leaves_with_path(tree)
  }


def _rows(path: pathlib.Path, name: str) -> dict[str, object]:
  with contextlib.closing(sqlite3.connect(path)) as database:
    tables = {
      'images': '*',
      'requests': '*',
      'answers': 'seq, request_id, answer, label, annotator',
    }
    return {
      f'{name}: {table}': sorted(
        database.execute(f'SELECT {columns} FROM {table}')
      )
      for table, columns in tables.items()
    }


def compare(one: dict[str, object], two: dict[str, object]) -> list[str]:
  return [
    f'{name} {"differs" if one.keys() & two.keys() & {name} else "is missing"}'
    for name in sorted(one.keys() | two.keys())
    if one.get(name) != two.get(name)
  ]


if __name__ == '__main__':
  main()
