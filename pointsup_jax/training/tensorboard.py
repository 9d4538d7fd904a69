"""TensorBoard events of the metrics, if tensorboardX is installed.

They are rewritten from metrics.jsonl whenever a phase starts or resumes, so
steps stay unique and in order, and tensorboardX may be installed later.
"""

import functools
import pathlib
import types
from collections.abc import Iterable, Mapping

from pointsup_jax.hosts import processes, progress

_FLUSH_SECONDS = 10


class Events:
  """The event file of one training phase; does nothing without tensorboardX."""

  def __init__(self, folder: pathlib.Path, records: Iterable[dict]) -> None:
    """Replaces the folder's events with `records` of metrics.jsonl."""
    self._writer = None
    tensorboardx = _library()
    if tensorboardx is None or not processes.is_first():
      return
    for old in folder.glob('events.out.tfevents.*'):
      old.unlink()
    # purge_step: a TensorBoard that has read the old file drops its steps.
    self._writer = tensorboardx.SummaryWriter(
      str(folder), purge_step=0, flush_secs=_FLUSH_SECONDS
    )
    for record in records:
      self.write(record['step'], record)

  def write(self, step: int, values: Mapping[str, float]) -> None:
    """Adds the metrics of a step; a thread writes them to disk."""
    if self._writer is None:
      return
    for name, value in values.items():
      if name != 'step':
        self._writer.add_scalar(name, value, step)

  def close(self) -> None:
    """Closes the file."""
    if self._writer is not None:
      self._writer.close()


@functools.cache
def _library() -> types.ModuleType | None:
  """tensorboardX; None, and a note said once, if it is not installed."""
  try:
    import tensorboardX
  except ImportError:
    progress.say(
      'note: no events for TensorBoard, which take: pip install tensorboardX'
    )
    return None
  return tensorboardX
