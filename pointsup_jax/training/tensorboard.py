"""TensorBoard events of metrics and results, if TensorBoard is installed.

Those of a phase are rewritten from metrics.jsonl whenever it starts or resumes,
so steps stay unique and in order, and TensorBoard may be installed later.
"""

import functools
import pathlib
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pointsup_jax.hosts import processes, progress

_FLUSH_SECONDS = 10
_STRING = 7  # DT_STRING of TensorFlow's types.proto


class Library(NamedTuple):
  """What is used of TensorBoard."""

  writer: Any  # EventFileWriter(folder, flush_secs=)
  event: Any  # event_pb2
  summary: Any  # summary_pb2


class Picture(NamedTuple):
  """A PNG and its name."""

  tag: str
  png: bytes
  size: tuple[int, int]  # height, width


class Events:
  """The event file of a folder; does nothing without TensorBoard."""

  def __init__(
    self, folder: pathlib.Path, records: Iterable[dict] = ()
  ) -> None:
    """Replaces the folder's events with `records` of metrics.jsonl."""
    self._writer: Any = None
    if not processes.is_first() or (library := _library()) is None:
      return
    for old in folder.glob('events.out.tfevents.*'):
      old.unlink()
    self._event, self._summary = library.event, library.summary
    self._writer = library.writer(str(folder), flush_secs=_FLUSH_SECONDS)
    # A TensorBoard that has read the old file drops its steps.
    start = self._event.SessionLog(status=self._event.SessionLog.START)
    self._add(self._event.Event(step=0, session_log=start))
    for record in records:
      self.write(record['step'], record)

  def write(self, step: int, values: Mapping[str, float]) -> None:
    """Adds the metrics of a step; a thread writes them to disk."""
    if self._writer is None:
      return
    found = [
      self._summary.Summary.Value(tag=name, simple_value=value)
      for name, value in values.items()
      if name != 'step'
    ]
    self._add_summary(found, step)

  def show(self, pictures: Iterable[Picture], texts: Mapping[str, str]) -> None:
    """Adds pictures and texts in Markdown."""
    if self._writer is None:
      return
    summary = self._summary.Summary
    found = [
      summary.Value(
        tag=tag,
        image=summary.Image(
          height=size[0], width=size[1], colorspace=3, encoded_image_string=png
        ),
      )
      for tag, png, size in pictures
    ]
    for tag, text in texts.items():
      value = summary.Value(tag=f'{tag}/text_summary')
      value.metadata.plugin_data.plugin_name = 'text'
      value.tensor.dtype = _STRING
      value.tensor.string_val.append(text.encode())
      value.tensor.tensor_shape.dim.add().size = 1
      found.append(value)
    self._add_summary(found, 0)

  def _add_summary(self, values: Sequence[Any], step: int) -> None:
    summary = self._summary.Summary(value=values)
    self._add(self._event.Event(step=step, summary=summary))

  def _add(self, event: Any) -> None:
    event.wall_time = time.time()
    self._writer.add_event(event)

  def close(self) -> None:
    """Closes the file."""
    if self._writer is not None:
      self._writer.close()


@functools.cache
def _library() -> Library | None:
  """TensorBoard; None, and a note said once, if it is not installed."""
  try:
    from tensorboard.compat.proto import event_pb2, summary_pb2
    from tensorboard.summary.writer import event_file_writer
  except ImportError:
    progress.say(
      'note: no events for TensorBoard, which take: pip install tensorboard'
    )
    return None
  return Library(event_file_writer.EventFileWriter, event_pb2, summary_pb2)
