"""metrics.jsonl: one JSON object per step, in step order."""

import json
import pathlib
from typing import Any, TypedDict

import msgspec

from pointsup_jax.hosts import json_files, processes
from pointsup_jax.training import tensorboard


class MetricsLog:
  """Appends records to metrics.jsonl, and events to tensorboard/ beside it.

  Drops records after `start_step` when it opens: a resumed run repeats those
  steps. Only the first process writes.
  """

  def __init__(self, path: pathlib.Path, *, start_step: int) -> None:
    self._writes = processes.is_first()
    if not self._writes:
      return
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = [r for r in read(path) if r['step'] <= start_step]
    json_files.write_lines(path, kept)
    self._file = path.open('a')
    self._events = tensorboard.Events(path.parent / 'tensorboard', kept)

  def write(self, step: int, values: dict[str, float]) -> None:
    """Adds the record of a step."""
    if not self._writes:
      return
    self._file.write(json.dumps({'step': step, **values}) + '\n')
    self._file.flush()
    self._events.write(step, values)

  def close(self) -> None:
    """Closes the files."""
    if not self._writes:
      return
    self._file.close()
    self._events.close()


def read(path: pathlib.Path) -> list[dict]:
  """All complete records of a log; none if there is no file.

  Raises errors.UserError if a record has no step or holds more than numbers.
  """
  return json_files.read_lines(path, _record)


class _Step(TypedDict):
  step: json_files.Count


def _record(found: dict[str, Any]) -> dict[str, Any]:
  msgspec.convert(found, _Step)
  msgspec.convert(found, dict[str, json_files.Number])
  return found
