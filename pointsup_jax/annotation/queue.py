"""Assigns points to annotators, several of whom may work at a time.

A point handed out is leased to its annotator; leases are kept in the store, so
they survive a restart. A share of the points goes to two annotators, to measure
their agreement.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pointsup_jax.annotation import (
  agreement,
  comments,
  effort,
  exemplars,
  jumping,
  leases,
  listing,
  open_points,
  planning,
  records,
  reviewing,
  state,
)
from pointsup_jax.annotation import store as store_lib


class Answer(NamedTuple):
  """An answer sent by the page."""

  request: str  # its id
  answer: str  # 'label', 'unsure', 'skip' or 'undo'
  label: int | None
  seconds: float
  how: records.How
  time: float | None = None  # when it was given, since 1970; None: now


class Workload(NamedTuple):
  """Numbers of answers; a point for two annotators needs two."""

  needed: int
  given: int


def asked_twice(request: str, overlap: float) -> bool:
  """Whether a point is in the share that two annotators answer."""
  return state.draw(request) < overlap * 2**32


class Queue:
  """Hands out the open points of a store and records their answers.

  Keeps nothing of the store in memory: what other processes write is seen at
  once. Only one process may hand out points. Use it only in the thread that
  created it, like the store.
  """

  def __init__(
    self,
    store: store_lib.Store,
    overlap: float = 0.0,
    clock: Callable[[], float] = time.time,
  ) -> None:
    """Takes an open store.

    `overlap` is the share of points, 0 to 1, that two annotators answer;
    `clock` returns seconds since 1970.
    """
    self._store, self._clock, self._overlap = store, clock, overlap
    self._query = store.database.query
    self._remarks = comments.Comments(store.database)
    # By annotator: where they went, and ids of what they were handed last.
    self._jumps: dict[str, jumping.Jump] = {}
    self._handed: dict[str, list[str]] = {}

  def progress(self) -> Workload:
    """Returns the numbers of needed and given answers."""
    self._store.ask_twice(self._overlap)
    return Workload(*self._query('SELECT needed, given FROM totals')[0])

  @property
  def complete(self) -> bool:
    """Whether no more answers are needed."""
    needed, given = self.progress()
    return needed == given

  def hand_out(self, annotator: str, count: int) -> list[records.Request]:
    """Leases up to `count` points to an annotator, most valuable first.

    Points that the annotator already holds are included. Those of an image that
    the annotator jumped to come before all others.
    """
    self._store.ask_twice(self._overlap)
    asked = self._asked(annotator)
    found = self._next(asked, count)
    # Unless their lease still lasts long enough.
    soon = asked.now + leases.SECONDS / 2
    self._lease(
      [
        x.request.id
        for x in found
        if not soon <= (x.expires or 0.0) <= asked.latest
      ],
      annotator,
      asked.now,
    )
    self._handed[annotator] = [x.request.id for x in found]
    return [x.request for x in found]

  def _asked(self, annotator: str) -> open_points.Asked:
    now = self._clock()
    return open_points.Asked(annotator, now, now + leases.SECONDS)

  def _next(
    self, asked: open_points.Asked, count: int
  ) -> list[open_points.Waiting]:
    database = self._store.database
    jump = self._jumps.get(asked.annotator)
    ahead = []
    if jump:
      ahead = open_points.in_image(
        database, jump.image, asked, count, jump.after
      )
    if len(ahead) == count:
      return ahead
    known = {x.position for x in ahead}
    others = open_points.first(database, asked, count)
    return (ahead + [x for x in others if x.position not in known])[:count]

  def images(
    self, annotator: str, wanted: str, count: int
  ) -> tuple[int, list[jumping.Found]]:
    """Returns how many images fit, and the best `count`; see `jumping.find`."""
    self._store.ask_twice(self._overlap)
    return jumping.find(
      self._store.database, wanted, count, self._asked(annotator)
    )

  def jump(self, annotator: str, image: str) -> None:
    """Hands an annotator the open points of an image next, then goes on.

    Skipped ones are among them, once. What the annotator has in hand becomes
    free for others. Raises ValueError if no point of the image is asked.
    """
    self._jumps[annotator] = jumping.to(self._store.database, image)
    handed = self._handed.pop(annotator, [])
    self._store.leases.release(handed, annotator)

  def record(self, annotator: str, answer: Answer) -> bool:
    """Records an answer durably; returns False if it was sent before.

    It is a fact, also if others have answered the point meanwhile: then it
    stands beside theirs. It keeps its time, if that is possible: not before the
    point was handed out, not in the future.

    Raises:
      ValueError: unknown point or label, or nothing to undo.
    """
    request, now = answer.request, self._clock()
    rest = (annotator, answer.seconds, answer.how)
    time = self._given_at(annotator, answer, now)
    if answer.answer == 'label':
      if answer.label is None:
        raise ValueError(f'the label of {request} is missing')
      new = self._store.answer(request, answer.label, *rest, time)
    else:
      new = self._store.mark(request, answer.answer, *rest, time)
    if new:
      self._follow(request, annotator, now, reopened=answer.answer == 'undo')
    return new

  def _given_at(self, annotator: str, answer: Answer, now: float) -> float:
    since = self._store.leases.since(answer.request, annotator)
    if since is None or answer.time is None:
      return now
    return min(max(answer.time, since), now)

  def comment(
    self, annotator: str, request: str, text: str, key: str, time: float | None
  ) -> None:
    """Records a comment durably; see `comments.Comments.add`."""
    self._remarks.add(records.Comment(request, annotator, text), key, time)

  def comments(self, request: str) -> dict[str, str]:
    """Returns everybody's standing comments on a point."""
    return {one.annotator: one.text for one in self._remarks.on(request)}

  def history(self, annotator: str, count: int) -> list[records.PersonAnswer]:
    """Returns an annotator's last standing answers, the latest first."""
    return self.listed(annotator, listing.Filter(), count).answers

  def listed(
    self, annotator: str, wanted: listing.Filter, count: int
  ) -> listing.Listed:
    """Returns an annotator's standing answers that fit; see `listing.find`."""
    return listing.find(self._store.database, annotator, wanted, count)

  def said(self, request: str) -> list[records.PersonAnswer]:
    """Returns everybody's standing answers to a point."""
    return self._store.answers_by_person(request)

  def in_image(
    self, image: str, annotator: str
  ) -> list[tuple[records.Request, records.PersonAnswer | None]]:
    """Returns an image's points with an annotator's standing answers."""
    return listing.in_image(self._store.database, image, annotator)

  def request(self, request: str) -> records.Request:
    """Returns a request by its id; raises ValueError if there is none."""
    return self._store.request(request)

  def to_review(
    self, annotator: str, share: float, whose: str, count: int
  ) -> reviewing.Found:
    """Returns points to look at; see `reviewing.find`."""
    return reviewing.find(self._store.database, annotator, share, whose, count)

  def exemplars(self, most: int) -> dict[int, list[exemplars.Exemplar]]:
    """Returns points of each class; see `exemplars.find`."""
    self._store.ask_twice(self._overlap)
    return exemplars.find(self._store.database, most)

  def agreement(self) -> agreement.Agreement:
    """Returns the agreement of annotators on the points they share."""
    return agreement.measure(self._store.database)

  def disputes(self, count: int) -> list[str]:
    """Returns ids of disputed points, in the order in which they were asked."""
    return agreement.disputed(self._store.database, count)

  def efforts(self) -> list[effort.Effort]:
    """Returns the effort of each annotator."""
    return effort.of_each(self._store.database)

  def plan(self, annotator: str | None = None) -> planning.Plan:
    """Returns the work left, in total and for smaller budgets.

    The pace is the annotator's if known, else everybody's, else assumed.
    """
    self._store.ask_twice(self._overlap)
    return planning.plan(self._store.database, annotator)

  def _follow(
    self, request: str, annotator: str, now: float, *, reopened: bool
  ) -> None:
    """Releases a point that wants more answers; leases it if it is undone."""
    ((wanted,),) = self._query(
      'SELECT given < needed FROM held'
      ' WHERE point = (SELECT rowid FROM requests WHERE id = ?)',
      request,
    )
    if wanted and reopened:
      self._lease([request], annotator, now)
    elif wanted and self._store.leases.since(request, annotator) is not None:
      self._store.leases.release([request], annotator)

  def _lease(self, requests: Sequence[str], annotator: str, now: float) -> None:
    if requests:
      expires = now + leases.SECONDS
      self._store.leases.keep(
        [records.Lease(x, annotator, expires, since=now) for x in requests]
      )
