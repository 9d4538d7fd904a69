"""Assigns points to annotators, several of whom may work at a time.

A point handed out is leased to its annotator; leases are kept in the store, so
they survive a restart. A share of the points goes to two annotators, to measure
their agreement.
"""

import itertools
import time
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from pointsup_jax.annotation import (
  agreement,
  comments,
  exemplars,
  jumping,
  leases,
  line,
  planning,
  records,
  reviewing,
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
  return zlib.crc32(request.encode()) < overlap * 2**32


class Queue:
  """Hands out the open points of a store and records their answers.

  Caches the store's state, and reads it anew when another process has written
  to it. Only one process may hand out points. Use it only in the thread that
  created it, like the store.
  """

  def __init__(
    self,
    store: store_lib.Store,
    overlap: float = 0.0,
    clock: Callable[[], float] = time.time,
  ) -> None:
    """Reads the requests, answers and leases of an open store.

    `overlap` is the share of points, 0 to 1, that two annotators answer;
    `clock` returns seconds since 1970.
    """
    self._store, self._clock, self._overlap = store, clock, overlap
    self._remarks = comments.Comments(store.database)
    self._version: tuple[int, int] | None = None
    # By annotator: the points of an image that was jumped to, still to come,
    # and those handed out last.
    self._ahead: dict[str, dict[str, None]] = {}
    self._handed: dict[str, list[str]] = {}
    self._refresh()

  def _refresh(self) -> None:
    """Reads the store unless nobody else has written to it since."""
    version = self._store.database.version()
    if version != self._version:
      self._read(self._store, self._overlap)
      self._version = version

  def _read(self, store: store_lib.Store, overlap: float) -> None:
    self._order = store.ordered()
    self._place = {request.id: i for i, request in enumerate(self._order)}
    self._images = jumping.Images(self._order)
    self._needed = {
      request.id: 1 + (request.round > 0 and asked_twice(request.id, overlap))
      for request in self._order
    }
    self._total = sum(self._needed.values())
    self._twice = [id for id, needed in self._needed.items() if needed > 1]
    self._budgets = planning.budgets(self._order, [*self._needed.values()])
    # Standing answers, by point and by annotator (oldest first).
    self._said: dict[str, dict[str, records.PersonAnswer]] = {}
    self._by: dict[str, dict[str, records.PersonAnswer]] = {}
    for given in store.answers_by_person():
      self._keep(given)
    self._comments = self._remarks.by_request()
    self._hands = leases.Hands(store.leases, self._has_answered)
    self._given = sum(map(self._count, self._needed))
    self._line = line.Line()
    for place, request in enumerate(self._order):
      if self._wants(request.id):
        self._line.put(place, self._skipped(request.id))

  def progress(self) -> Workload:
    """Returns the numbers of needed and given answers."""
    self._refresh()
    return Workload(self._total, self._given)

  @property
  def complete(self) -> bool:
    """Whether no more answers are needed."""
    self._refresh()
    return not self._line

  def hand_out(self, annotator: str, count: int) -> list[records.Request]:
    """Leases up to `count` points to an annotator, most valuable first.

    Points that the annotator already holds are included. Those of an image that
    the annotator jumped to come before all others.
    """
    self._refresh()
    now = self._clock()
    offered = (self._order[place] for place in self._offered(annotator))
    may = (x for x in offered if self._may_answer(x.id, annotator, now))
    found = list(itertools.islice(may, count))
    self._handed[annotator] = [request.id for request in found]
    self._hands.lease(self._handed[annotator], annotator, now)
    return found

  def images(
    self, annotator: str, wanted: str, count: int
  ) -> tuple[int, list[jumping.Found]]:
    """Returns how many images fit, and the best `count`; see `jumping`."""
    self._refresh()
    fitting = self._images.search(wanted, self._line)
    now, found = self._clock(), []
    for image, number in fitting[:count]:
      free = sum(
        self._may_answer(request, annotator, now)
        for request in self._waiting_in(image)
      )
      found.append(jumping.Found(image, number, free))
    return len(fitting), found

  def jump(self, annotator: str, image: str) -> None:
    """Hands an annotator the open points of an image next, then goes on.

    Skipped ones are among them, once. What the annotator has in hand becomes
    free for others. Raises ValueError if no point of the image is asked.
    """
    self._refresh()
    self._ahead[annotator] = dict.fromkeys(self._waiting_in(image))
    self._hands.release(self._handed.pop(annotator, []), annotator)

  def _waiting_in(self, image: str) -> list[str]:
    places = self._line.between(*self._images.ends(image))
    return [self._order[place].id for place in places]

  def _offered(self, annotator: str) -> Iterator[int]:
    """Positions of wanted points, in the order in which one is asked."""
    ahead = self._ahead.get(annotator, {})
    yield from (self._place[x] for x in ahead if self._wants(x))
    yield from (x for x in self._line if self._order[x].id not in ahead)

  def record(self, annotator: str, answer: Answer) -> bool:
    """Records an answer durably; returns False if it was sent before.

    It is a fact, also if others have answered the point meanwhile: then it
    stands beside theirs. It keeps its time, if that is possible: not before the
    point was handed out, not in the future.

    Raises:
      ValueError: unknown point or label, or nothing to undo.
    """
    self._refresh()
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
    self._refresh()
    self._remarks.add(records.Comment(request, annotator, text), key, time)
    self._comments = self._remarks.by_request()

  def comments(self, request: str) -> dict[str, str]:
    """Returns everybody's standing comments on a point."""
    return self._comments.get(request, {})

  def history(
    self, annotator: str, count: int | None = None
  ) -> list[records.PersonAnswer]:
    """Returns an annotator's last standing answers or all, the latest first."""
    mine = self._by.get(annotator, {})
    return [mine[key] for key in itertools.islice(reversed(mine), count)]

  def said(self, request: str) -> list[records.PersonAnswer]:
    """Returns everybody's standing answers to a point."""
    return list(self._said.get(request, {}).values())

  def in_image(
    self, image: str, annotator: str
  ) -> list[tuple[records.Request, records.PersonAnswer | None]]:
    """Returns an image's points with an annotator's standing answers."""
    self._refresh()
    begin, end = self._images.ends(image)
    return [
      (one, self._said.get(one.id, {}).get(annotator))
      for one in self._order[begin:end]
    ]

  def request(self, request: str) -> records.Request:
    """Returns a request by its id; raises ValueError if there is none."""
    if request not in self._place:
      raise ValueError(f'there is no request {request!r}')
    return self._order[self._place[request]]

  def to_review(
    self, annotator: str, share: float, whose: str
  ) -> list[records.Request]:
    """Returns the points to look at; see `reviewing.choose`."""
    self._refresh()
    chosen = reviewing.choose(self._order, self._said, annotator, share, whose)
    return list(chosen)

  def given(self) -> list[records.PersonAnswer]:
    """Returns everybody's standing answers to all points."""
    self._refresh()
    return [said for by in self._said.values() for said in by.values()]

  def exemplars(self, most: int) -> dict[int, list[exemplars.Exemplar]]:
    """Returns points of each class; see `exemplars.choose`."""
    self._refresh()
    latest = reversed(self._said.items())
    return exemplars.choose(latest, most, self._wants)

  def agreement(self) -> agreement.Agreement:
    """Returns the agreement of annotators on the points they share."""
    return agreement.measure(self.given())

  def plan(self, annotator: str | None = None) -> planning.Plan:
    """Returns the work left, in total and for smaller budgets.

    The pace is the annotator's if known, else everybody's, else assumed.
    """
    self._refresh()
    mine = self._by.get(annotator, {}) if annotator else {}
    pace = (
      planning.pace(mine.values(), annotator)
      or planning.pace(self.given())
      or planning.ASSUMED
    )
    return planning.plan(self._budgets, self._left(), self._given, pace)

  def _left(self) -> list[int]:
    # A wanted point needs one answer, and a second one if two annotators are
    # asked and neither has answered.
    untouched = [self._place[x] for x in self._twice if not self._answers(x)]
    return [
      self._line.count(0, budget.points)
      + sum(place < budget.points for place in untouched)
      for budget in self._budgets
    ]

  def _follow(
    self, request: str, annotator: str, now: float, *, reopened: bool
  ) -> None:
    self._given -= self._count(request)
    self._said.get(request, {}).pop(annotator, None)
    self._by.get(annotator, {}).pop(request, None)
    for given in self._store.answers_by_person(request):
      if given.annotator == annotator:
        last = next(iter(self.history(annotator, 1)), given)
        self._keep(given)
        if last.seq > given.seq:  # an older answer stands: restore the order
          mine = self._by[annotator].items()
          self._by[annotator] = dict(sorted(mine, key=lambda item: item[1].seq))
    self._given += self._count(request)
    self._line.take_out(self._place[request])
    if self._wants(request):
      self._line.put(self._place[request], self._skipped(request))
    if reopened and self._wants(request):
      self._hands.lease([request], annotator, now)
      return
    self._ahead.get(annotator, {}).pop(request, None)
    self._hands.release([request], annotator, free=self._wants(request))

  def _keep(self, given: records.PersonAnswer) -> None:
    self._said.setdefault(given.request, {})[given.annotator] = given
    self._by.setdefault(given.annotator, {})[given.request] = given

  def _answers(self, request: str) -> int:
    said = self._said.get(request, {})
    return sum(given.answer != 'skip' for given in said.values())

  def _count(self, request: str) -> int:
    return min(self._answers(request), self._needed[request])

  def _wants(self, request: str) -> bool:
    return self._answers(request) < self._needed[request]

  def _skipped(self, request: str) -> int | None:
    said = self._said.get(request, {}).values()
    return max((x.seq for x in said if x.answer == 'skip'), default=None)

  def _may_answer(self, request: str, annotator: str, now: float) -> bool:
    if self._has_answered(request, annotator):
      return False
    others = self._hands.others(request, annotator, now)
    return self._answers(request) + others < self._needed[request]

  def _has_answered(self, request: str, annotator: str) -> bool:
    mine = self._said.get(request, {}).get(annotator)
    return mine is not None and mine.answer != 'skip'
