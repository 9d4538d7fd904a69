"""Looks at what was answered: lists, agreement, plan, disputes, review."""

from typing import Any

from pointsup_jax.annotation import queue as queue_lib
from pointsup_jax.annotation.web import fields, points, store_thread

_EXAMPLES = 6  # of a class


class Looking:
  """The routes that record nothing."""

  def __init__(
    self, thread: store_thread.StoreThread, shown: points.Shown
  ) -> None:
    self._thread, self._shown = thread, shown

  async def answers(
    self, annotator: str, body: dict[str, Any]
  ) -> dict[str, Any]:
    """Returns the annotator's standing answers, the latest first.

    Of those that fit the filter, up to `want` before the seq `before`, and how
    many there are in all.
    """
    wanted, want = fields.wanted(body), fields.want(body)

    def work(queue: queue_lib.Queue) -> dict[str, Any]:
      listed = queue.listed(annotator, wanted, want)
      return {
        'found': listed.found,
        'points': [
          self._shown.answered(queue.request(said.request), said)
          | {'seq': said.seq}
          | {'comment': queue.comments(said.request).get(annotator, '')}
          for said in listed.answers
        ],
      }

    return await self._thread.look(work)

  async def images(
    self, annotator: str, body: dict[str, Any]
  ) -> dict[str, Any]:
    """Returns the first images that fit, and how many do."""
    find, want = fields.part(body, 'find'), fields.want(body)

    def work(queue: queue_lib.Queue) -> dict[str, Any]:
      fitting, found = queue.images(annotator, find, want)
      return {'found': fitting, 'images': [one._asdict() for one in found]}

    return await self._thread.look(work)

  async def examples(self, annotator: str | None) -> dict[str, Any]:
    """Returns places of answers, up to six for each class that has any."""
    found = await self._thread.look(
      lambda queue: {
        label: [(queue.request(x.request), x.agreed) for x in examples]
        for label, examples in queue.exemplars(_EXAMPLES).items()
      }
    )
    return {
      'classes': {
        label: [
          {'image': self._shown.pictures.number[one.image]}
          | {'row': one.row, 'col': one.col, 'agreed': agreed}
          for one, agreed in examples
        ]
        for label, examples in found.items()
      }
    }

  async def agreement(self, annotator: str | None) -> dict[str, Any]:
    """Returns each annotator's figures, and the agreement of every two."""
    found, efforts = await self._thread.look(
      lambda queue: (queue.agreement(), queue.efforts())
    )
    people = []
    for one in efforts:
      shared, same = found.of(one.annotator)
      people.append(one._asdict() | {'shared': shared, 'same': same})
    pairs = [
      pair._asdict() | {'annotators': list(pair.annotators)}
      for pair in found.pairs
    ]
    return {'people': people, 'pairs': pairs, 'disputed': found.disputed}

  async def plan(self, annotator: str | None) -> dict[str, Any]:
    """Returns the work left, in total and for smaller budgets."""
    plan = await self._thread.look(lambda queue: queue.plan(annotator))
    rows = [
      row.budget._asdict() | {'left': row.left, 'hours': row.hours}
      for row in plan.rows
    ]
    return plan._asdict() | {
      'pace': plan.pace._asdict(),
      'rows': rows,
      'now': plan.now,
    }

  async def disputes(
    self, annotator: str, body: dict[str, Any]
  ) -> dict[str, Any]:
    """Returns the points with different labels, and everybody's labels."""
    want = fields.want(body)

    def work(queue: queue_lib.Queue) -> dict[str, Any]:
      return {'points': [self._said(queue, x) for x in queue.disputes(want)]}

    return await self._thread.look(work)

  async def review(
    self, annotator: str, body: dict[str, Any]
  ) -> dict[str, Any]:
    """Returns answers of others to look at, and how many there are."""
    want, share = fields.want(body), fields.share(body)
    whose = fields.part(body, 'whose')

    def work(queue: queue_lib.Queue) -> dict[str, Any]:
      found, points = queue.to_review(annotator, share, whose, want)
      return {
        'found': found,
        'points': [self._said(queue, one.id) for one in points],
      }

    return await self._thread.look(work)

  def _said(self, queue: queue_lib.Queue, point: str) -> dict[str, Any]:
    """A point with everybody's labels (None: unsure) and comments."""
    said = {
      x.annotator: x.label for x in queue.said(point) if x.answer != 'skip'
    }
    comments = queue.comments(point)
    return self._shown.point(queue.request(point)) | {
      'said': said,
      'comments': comments,
    }
