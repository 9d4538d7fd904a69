"""How far a task of a study is, from what its run writes anyway.

These are the ends of metrics.jsonl and history.jsonl, and the files that mark
finished stages.
"""

import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from pointsup_jax.run import history
from pointsup_jax.study import plan

_TAIL = 2**15  # bytes read at the end of a file: 100 records or more
# Seconds of steps that a running phase must have shown to count as measured.
_ENOUGH = 10.0


class Record(msgspec.Struct):
  """What is read of a record of metrics.jsonl."""

  step: int
  seconds: float


class Trace(NamedTuple):
  """How far a task is.

  Attributes:
    done: whether it is.
    step: the last that a training phase has logged.
    seconds: measured in this task; 0 if that was not enough to count on.
    units: steps made in them, or 1 for another stage.
  """

  done: bool
  step: int = 0
  seconds: float = 0.0
  units: int = 0


class Tails:
  """The last records of files, read anew only where they have changed."""

  def __init__(self) -> None:
    self._known: dict[pathlib.Path, tuple[tuple[int, int], list]] = {}

  def read(self, path: pathlib.Path, kind: type) -> tuple[list[Any], bool]:
    """The records that can be read, and whether they are all from the first."""
    try:
      stat = path.stat()
      stamp = stat.st_size, stat.st_mtime_ns
      if path not in self._known or self._known[path][0] != stamp:
        self._known[path] = stamp, _tail(path, stat.st_size, kind)
    except OSError:  # not written yet, or just replaced
      return [], True
    return self._known[path][1], stat.st_size <= _TAIL


def _tail(path: pathlib.Path, size: int, kind: type) -> list[Any]:
  with path.open('rb') as file:
    file.seek(max(0, size - _TAIL))
    lines = file.read(_TAIL).split(b'\n')[:-1]
  found: list[Any] = []
  for line in lines:
    try:
      found.append(msgspec.json.decode(line, type=kind))
    except msgspec.DecodeError:  # cut at its start; damage is the run's to say
      continue
  return found


def of_task(task: plan.Task, tails: Tails) -> Trace:
  """How far a task is."""
  done = task.done.exists()
  if not task.steps:
    sessions, _ = tails.read(task.trace, history.Session)
    # When a run is continued, finished stages are passed quickly.
    seconds = [
      x.seconds
      for x in sessions
      if x.stage == task.name and x.outcome == 'done'
    ]
    return Trace(done, 0, max(seconds, default=0.0), min(len(seconds), 1))
  records, whole = tails.read(task.trace, Record)
  if not records:
    return Trace(done)
  step = records[-1].step
  done = done or step >= task.steps
  return Trace(done, step, *measured(records, whole=whole, done=done))


def measured(
  records: Sequence[Record], *, whole: bool, done: bool
) -> tuple[float, int]:
  """Seconds and steps of a phase's last session; 0 and 0 if too few.

  Of a finished phase, if it was not stopped and these are all of its records
  (`whole`), with what came before the first record: compiling, mostly.
  """
  first, last = len(records) - 1, records[-1]
  while first and records[first - 1].seconds <= records[first].seconds:
    first -= 1
  if whole and done and not first:
    return last.seconds, last.step
  seconds = last.seconds - records[first].seconds
  if seconds < _ENOUGH and not done:
    return 0.0, 0
  return seconds, last.step - records[first].step
