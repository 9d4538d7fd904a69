"""How far the runs of a study are, and how long the rest may take."""

import pathlib
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from pointsup_jax.hosts import progress, wording
from pointsup_jax.study import plan, runs
from pointsup_jax.study import traces as traces_lib

# By workdir, one per task.
Traces = Mapping[pathlib.Path, Sequence[traces_lib.Trace]]


class Estimate(NamedTuple):
  """Seconds left for what has been measured, and the names of what has not."""

  seconds: float
  unmeasured: Sequence[str]


def seconds_per_unit(
  planned: Sequence[plan.Run], traces: Traces
) -> dict[plan.Kind, float]:
  """By kind: from finished tasks; before there are any, from running ones."""
  found: dict[plan.Kind, float] = {}
  for finished in (True, False):
    sums: dict[plan.Kind, tuple[float, int]] = {}
    for run in planned:
      for task, at in zip(run.tasks, traces[run.folder], strict=True):
        if at.done == finished and at.units:
          seconds, units = sums.get(task.kind, (0.0, 0))
          sums[task.kind] = seconds + at.seconds, units + at.units
    for kind, (seconds, units) in sums.items():
      found.setdefault(kind, seconds / units)
  return found


def estimate(
  todo: Sequence[plan.Run],
  traces: Traces,
  rates: Mapping[plan.Kind, float],
  jobs: int,
) -> Estimate:
  """The time that is left for these runs, with so many at a time."""
  left = [0.0]
  unmeasured: dict[str, None] = {}
  for run in todo:
    of_run = 0.0
    for task, at in zip(run.tasks, traces[run.folder], strict=True):
      if at.done:
        continue
      if task.kind in rates:
        of_run += rates[task.kind] * (task.units - at.step)
      else:
        unmeasured[_title(task.kind)] = None
    left.append(of_run)
  # A run cannot be divided.
  return Estimate(max(sum(left) / jobs, *left), list(unmeasured))


def text(
  planned: Sequence[plan.Run],
  traces: Traces,
  running: Collection[pathlib.Path],
  ended: Mapping[pathlib.Path, str | None],
  jobs: int,
) -> str:
  """The line that says how far the study is; for `ended` see `runs.Show`."""
  failed = {folder for folder, why in ended.items() if why}
  todo = []
  for run in planned:
    over = run.folder in ended or _complete(traces[run.folder])
    if run.folder in running or not over:
      todo.append(run)
  done = len(planned) - len(todo) - len(failed)
  parts = [f'{done} of {len(planned)} runs done']
  if failed:
    parts[0] += f', {len(failed)} failed'
  possible = [run for run in todo if run.base not in failed]
  rates = seconds_per_unit(planned, traces)
  left = estimate(possible, traces, rates, jobs)
  if left.seconds:
    about = 'at least' if left.unmeasured else 'about'
    parts.append(f'{about} {wording.duration(left.seconds)} left')
  elif left.unmeasured:
    parts.append('time left: not measured yet')
  parts += [
    f'{run.name}: {_doing(run, traces[run.folder])}'
    for run in planned
    if run.folder in running
  ]
  if left.seconds and left.unmeasured:
    parts.append(f'not measured yet: {wording.few(left.unmeasured)}')
  return '; '.join(parts)


def _title(kind: plan.Kind) -> str:
  name, fields = kind
  return f'{name} with {runs.title(fields)}' if fields else name


def _complete(traces: Sequence[traces_lib.Trace]) -> bool:
  return all(at.done for at in traces)


def _doing(run: plan.Run, traces: Sequence[traces_lib.Trace]) -> str:
  for task, at in zip(run.tasks, traces, strict=True):
    if not at.done:
      step = f', step {at.step} of {task.steps}' if task.steps else ''
      return task.name + step
  return 'ends'


class Watch:
  """Shows how far the runs of a study are while they run."""

  def __init__(self, planned: Sequence[plan.Run], jobs: int) -> None:
    self._planned, self._jobs = planned, jobs
    self._tails, self._line = traces_lib.Tails(), progress.Line('study')
    self._traces: dict[pathlib.Path, list[traces_lib.Trace]] = {}

  def __enter__(self) -> 'Watch':
    return self

  def __exit__(self, *unused: object) -> None:
    self._line.close()

  def show(
    self,
    running: Collection[pathlib.Path],
    ended: Mapping[pathlib.Path, str | None],
  ) -> None:
    """Reads what is new, and shows it where it is time to; a `runs.Show`."""
    if not self._line.due:
      return
    for run in self._planned:
      known = self._traces.get(run.folder)
      if known is None or run.folder in running or not _complete(known):
        self._traces[run.folder] = [
          traces_lib.of_task(task, self._tails) for task in run.tasks
        ]
    self._line.show(
      text(self._planned, self._traces, running, ended, self._jobs)
    )
