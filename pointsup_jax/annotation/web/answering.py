"""Hands out points and takes answers."""

from collections.abc import Callable
from typing import Any

from pointsup_jax.annotation import queue as queue_lib
from pointsup_jax.annotation.web import fields, points, store_thread

_HISTORY = 10


class OtherWindowError(Exception):
  """Another window answers under the same name."""


class Answering:
  """The routes of labelling, for annotators by name."""

  def __init__(
    self,
    thread: store_thread.StoreThread,
    shown: points.Shown,
    windows: dict[str, str],
  ) -> None:
    """Keeps the window of each annotator in `windows`; see `site.Site`."""
    self._thread, self._shown, self._windows = thread, shown, windows

  async def points(
    self, annotator: str, body: dict[str, Any]
  ) -> dict[str, Any]:
    """Hands out points; the asking window becomes the annotator's."""
    want = fields.want(body)
    self._windows[annotator] = fields.text(body, 'window', 64)
    return await self._thread.do(
      lambda queue: self._state(queue, annotator, want)
    )

  async def answer(
    self, annotator: str, body: dict[str, Any]
  ) -> dict[str, Any]:
    """Records an answer and hands out the next points."""
    answer = fields.answer(body)
    return await self._record(
      annotator, body, lambda queue: queue.record(annotator, answer)
    )

  async def comment(
    self, annotator: str, body: dict[str, Any]
  ) -> dict[str, Any]:
    """Records a comment, which changes no answer, and hands out points."""
    given = fields.comment(body)
    return await self._record(
      annotator, body, lambda queue: queue.comment(annotator, *given)
    )

  async def jump(self, annotator: str, body: dict[str, Any]) -> dict[str, Any]:
    """Has the open points of an image come next, and hands out points."""
    image = fields.text(body, 'image', 1000)
    return await self._record(
      annotator, body, lambda queue: queue.jump(annotator, image)
    )

  async def beside(
    self, annotator: str, body: dict[str, Any]
  ) -> dict[str, Any]:
    """Returns an image's points, and the asking annotator's own answers."""
    image = self._shown.pictures.name(fields.image(body))

    def work(queue: queue_lib.Queue) -> dict[str, Any]:
      return {
        'points': [
          {'id': one.id, 'row': one.row, 'col': one.col}
          | {'answer': said and said.answer, 'label': said and said.label}
          | {'comment': queue.comments(one.id).get(annotator, '')}
          for one, said in queue.in_image(image, annotator)
        ]
      }

    return await self._thread.do(work)

  async def _record(
    self,
    annotator: str,
    body: dict[str, Any],
    record: Callable[[queue_lib.Queue], object],
  ) -> dict[str, Any]:
    """Does what the annotator's window says, and hands out points."""
    want, window = fields.want(body), fields.text(body, 'window', 64)
    if self._windows.setdefault(annotator, window) != window:
      raise OtherWindowError

    def work(queue: queue_lib.Queue) -> dict[str, Any]:
      record(queue)
      return self._state(queue, annotator, want)

    return await self._thread.do(work)

  def _state(
    self, queue: queue_lib.Queue, annotator: str, want: int
  ) -> dict[str, Any]:
    history = queue.history(annotator, _HISTORY)
    return {
      'points': [self._shown.point(x) for x in queue.hand_out(annotator, want)],
      'history': [
        self._shown.answered(queue.request(said.request), said)
        for said in history
      ],
      'progress': queue.progress()._asdict(),
      'complete': queue.complete,
    }
