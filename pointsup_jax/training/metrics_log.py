"""metrics.jsonl: one JSON object a line, in step order, never twice a step."""

import json
import pathlib

from pointsup_jax.hosts import json_files, processes
from pointsup_jax.training import tensorboard


class MetricsLog:
  """Appends records; those after `start_step` are dropped when it opens.

  A resumed run repeats the steps since its checkpoint, so their records are
  written again. TensorBoard's events lie beside it, in tensorboard/. Of several
  processes the first one writes.
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
    """Closes the file."""
    if not self._writes:
      return
    self._file.close()
    self._events.close()


def read(path: pathlib.Path) -> list[dict]:
  """All complete records of a log; none where there is no file."""
  return json_files.read_lines(path)
