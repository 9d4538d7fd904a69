"""The runs of a study: settings, workdirs and processes."""

import concurrent.futures
import contextlib
import os
import pathlib
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from pointsup_jax.hosts import lock, progress, stopping
from pointsup_jax.run import config_file
from pointsup_jax.run import workdir as workdir_lib

# Seconds to wait for a run that a killed study left behind: it ends by itself.
_LEFT_OVER = 300.0

_SECONDS_BETWEEN_LOOKS = 1.0

# Is told every second which workdirs are at work, and those that have ended:
# workdir -> why it failed, None if it did not.
Show = Callable[
  [Collection[pathlib.Path], Mapping[pathlib.Path, str | None]], None
]
Fields = tuple[tuple[str, str], ...]  # names without 'config.', and values


class Setting(NamedTuple):
  """The config changes of one table row.

  Attributes:
    fields: as the user gave them.
    grid: True for a combination from --vary, False for one from --also.
    stage_1: the changed fields that stage 1 or its scores depend on, sorted by
      name; settings that agree in them share stage 1.
    source_only: those of them that its source-only phase depends on; settings
      that agree in them share it. Without such a phase, all of them.
  """

  fields: Fields
  grid: bool
  stage_1: Fields
  source_only: Fields


def of_stage_1(field: str) -> bool:
  """Whether stage 1 or its scores depend on a field."""
  return (
    config_file.decides(field) == 'uda'
    or of_method(field)
    or field.startswith(('data.evaluation.', 'evaluate.model'))
  )


def of_method(field: str) -> bool:
  """Whether stage 1 depends on a field, but its source-only phase does not."""
  return config_file.decides(field) == config_file.METHOD


def slug(fields: Fields) -> str:
  """Formats fields as a folder name."""
  return '-'.join(
    f'{_short(name)}_{value}'.replace(os.sep, '_') for name, value in fields
  )


def title(fields: Fields) -> str:
  """Formats fields for display."""
  return ', '.join(f'{_short(name)}={value}' for name, value in fields)


def _short(name: str) -> str:
  return name.removeprefix('acquire.')


def base(out: pathlib.Path, stage_1: Fields, seed: int) -> pathlib.Path:
  """The workdir of a stage 1, possibly shared by several settings."""
  name = '-'.join(['stage_1', *filter(None, [slug(stage_1)])])
  return out / f'seed_{seed}' / name


def workdir(out: pathlib.Path, setting: Setting, seed: int) -> pathlib.Path:
  """The workdir of a run."""
  return out / f'seed_{seed}' / slug(setting.fields)


def folders(
  out: pathlib.Path, setting: Setting, seed: int
) -> tuple[pathlib.Path, pathlib.Path]:
  """The workdirs of a run's stage 1 and of the run itself."""
  return base(out, setting.stage_1, seed), workdir(out, setting, seed)


class Runner:
  """Runs `launch.main` in several parallel processes."""

  def __init__(self, out: pathlib.Path, jobs: int, show: Show) -> None:
    """Divides the CPU cores among `jobs` processes.

    The runs stop when this process ends, even if it is killed.
    """
    self._out, self._jobs, self._show = out, jobs, show
    cores = sorted(_cores())
    self._shares: queue.Queue[list[int]] = queue.Queue()
    for job in range(jobs):
      self._shares.put(cores[job::jobs] or cores)
    # The runs' input; nobody writes, and only this process holds the other end.
    self._pipe = os.pipe()
    self._running: dict[pathlib.Path, subprocess.Popen] = {}
    self._lock = threading.Lock()
    self._stopped = False
    self._ended: dict[pathlib.Path, str | None] = {}
    # Set once a stage 1 whose source-only phase others take over has ended.
    self._led: dict[pathlib.Path, threading.Event] = {}

  def run(
    self, settings: Sequence[Setting], seeds: Sequence[int], *, points: bool
  ) -> dict[pathlib.Path, str]:
    """Runs or resumes every setting with every seed.

    Stops after stage 1 unless `points`. Returns workdir -> reason for the runs
    that failed.
    """
    # By what the source-only phase depends on: the first of those that share
    # it trains it.
    first: dict[Fields, Fields] = {}
    for setting in settings:
      first.setdefault(setting.source_only, setting.stage_1)
    lead_of = {x.stage_1: first[x.source_only] for x in settings}
    alone = {fields for fields, lead in lead_of.items() if fields == lead}
    self._led = {
      base(self._out, fields, seed): threading.Event()
      for fields in alone
      for seed in seeds
    }
    with concurrent.futures.ThreadPoolExecutor(self._jobs) as pool:
      try:
        # Those that others wait for come first, so that nobody waits for ever.
        self._stage(
          pool,
          {
            base(self._out, fields, seed): (fields, seed, lead_of[fields])
            for leads in (True, False)
            for seed in seeds
            for fields in lead_of
            if leads == (fields in alone)
          },
          self._stage_1,
        )
        if points:
          self._stage(
            pool,
            {workdir(self._out, x, s): (x, s) for s in seeds for x in settings},
            self._rest,
          )
      except BaseException:
        self._stop()
        pool.shutdown(cancel_futures=True)
        raise
    return {folder: why for folder, why in self._ended.items() if why}

  def _stage(
    self,
    pool: concurrent.futures.Executor,
    todo: dict[pathlib.Path, tuple],
    work: Callable[..., str | None],
  ) -> None:
    jobs = {pool.submit(work, *what): folder for folder, what in todo.items()}
    done, left = 0, set(jobs)
    while left:
      ended, left = concurrent.futures.wait(
        left, _SECONDS_BETWEEN_LOOKS, concurrent.futures.FIRST_COMPLETED
      )
      for job in filter(ended.__contains__, jobs):
        done += 1
        self._ended[jobs[job]] = why = job.result()
        progress.say(f'{done}/{len(jobs)} {jobs[job]}: {why or "done"}')
      with self._lock:
        running = set(self._running)
      self._show(running, self._ended)

  def _stage_1(self, fields: Fields, seed: int, lead: Fields) -> str | None:
    folder, shared = (base(self._out, x, seed) for x in (fields, lead))
    if folder != shared:
      self._led[shared].wait()
      if not folder.exists():
        _copy_source_only(shared, folder)
    try:
      return self._launch(folder, 'uda', fields, seed) or self._launch(
        folder, 'evaluate', fields, seed
      )
    finally:
      if folder == shared:
        self._led[shared].set()

  def _rest(self, setting: Setting, seed: int) -> str | None:
    shared, folder = folders(self._out, setting, seed)
    if not folder.exists():
      if not (shared / 'uda' / 'DONE').exists():
        return 'its stage 1 failed'
      _copy(shared, folder)
    return self._launch(folder, 'all', setting.fields, seed)

  def _launch(
    self, folder: pathlib.Path, stage: str, fields: Fields, seed: int
  ) -> str | None:
    words = [
      sys.executable, '-m', 'launch.main', *forwarded(sys.argv[1:]),
      f'--workdir={folder}', f'--stage={stage}', f'--config.seed={seed}',
      *(f'--config.{name}={value}' for name, value in fields),
    ]  # fmt: skip
    folder.parent.mkdir(parents=True, exist_ok=True)
    log = folder.parent / f'{folder.name}.log'
    self._wait_for_orphan(folder)
    cores = self._shares.get()
    began = time.monotonic()
    try:
      with log.open('a') as file:
        start = file.tell()
        with self._lock:
          if self._stopped:
            return 'stopped'
          # In a new session, Ctrl-C reaches only this process; see _stop.
          process = subprocess.Popen(
            words,
            stdin=self._pipe[0],
            stdout=file,
            stderr=file,
            env=os.environ | {stopping.PARENT: '1'},
            start_new_session=True,
          )
          self._running[folder] = process
          _pin(process.pid, cores)
        code = process.wait()
        with self._lock:
          del self._running[folder]
        file.write(f'# {stage}: {time.monotonic() - began:.0f} s\n')
    finally:
      self._shares.put(cores)
    if code:
      new = log.read_bytes()[start:].decode(errors='replace')
      said = [x for x in new.splitlines() if x.startswith('error')]
      return said[-1] if said else f'exit code {code}, see {log}'
    return None

  def _wait_for_orphan(self, folder: pathlib.Path) -> None:
    """Lets the run of a study that was killed save and end."""
    path, began = workdir_lib.Workdir(folder).lock, time.monotonic()
    if who := lock.holder(path):
      progress.say(f'{folder}: {who} is at work on this run; waits for its end')
    while lock.holder(path) and not self._stopped:
      if time.monotonic() - began > _LEFT_OVER:
        return  # it is somebody else's, and the run will say so
      time.sleep(0.2)

  def _stop(self) -> None:
    with self._lock:
      self._stopped = True
      for process in self._running.values():
        process.terminate()


def _copy(
  shared: pathlib.Path, folder: pathlib.Path, only: Sequence[str] = ('.',)
) -> None:
  """Copies the parts `only` of a workdir; the copy is complete or absent.

  The files of checkpoints, in which nobody writes again, are shared, if the
  file system can do that.
  """

  def copy(source: str, target: str) -> None:
    if 'checkpoints' in pathlib.Path(source).relative_to(shared).parts:
      with contextlib.suppress(OSError):
        os.link(source, target)
        return
    shutil.copy2(source, target)

  part = folder.with_name(f'{folder.name}.part')
  shutil.rmtree(part, ignore_errors=True)
  for name in only:
    (part / name).parent.mkdir(parents=True, exist_ok=True)
    if (shared / name).is_dir():
      shutil.copytree(shared / name, part / name, copy_function=copy)
    else:
      shutil.copy(shared / name, part / name)
  part.rename(folder)


def _copy_source_only(shared: pathlib.Path, folder: pathlib.Path) -> None:
  """Copies the source-only phase, and its scores, of a finished stage 1."""
  workdir = workdir_lib.Workdir(shared)
  if not workdir.done('uda').exists() or not workdir.source_only.root.exists():
    return
  parts = [
    workdir.config,
    workdir.data,
    workdir.source_only.root,
    workdir.source_classes,
    workdir.held_back('source_only'),
    *(shared / 'evaluate').glob('source_only-*'),
  ]
  _copy(
    shared, folder, [str(x.relative_to(shared)) for x in parts if x.exists()]
  )


def _cores() -> set[int]:
  if hasattr(os, 'sched_getaffinity'):
    return os.sched_getaffinity(0)
  return set(range(os.cpu_count() or 1))


def _pin(process: int, cores: Sequence[int]) -> None:
  """Pins a new process to cores; its threads inherit the affinity."""
  if hasattr(os, 'sched_setaffinity'):
    with contextlib.suppress(ProcessLookupError):  # already exited
      os.sched_setaffinity(process, cores)


def forwarded(words: Sequence[str]) -> list[str]:
  """Filters arguments for the runs: --config* and --compilation_cache."""
  kept: list[str] = []
  takes_value = False
  for word in words:
    name = word.lstrip('-').partition('=')[0]
    is_flag = word.startswith('-')
    first = name.removeprefix('no').split('.')[0]
    for_all = is_flag and first in ('config', 'compilation_cache')
    if for_all or (takes_value and not is_flag):
      kept.append(word)
    takes_value = for_all and '=' not in word
  return kept
