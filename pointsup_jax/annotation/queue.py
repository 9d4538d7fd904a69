"""Who is asked about which point: each once, several annotators at a time.

A point that somebody was handed is theirs until a lease runs out; leases are in
the store, so that they outlive the process. A share of the points is asked of
two annotators, so that their agreement can be measured.
"""

import bisect
import itertools
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from pointsup_jax.annotation import agreement, planning, records
from pointsup_jax.annotation import store as store_lib

LEASE_SECONDS = 600.0


class Taken(Exception):
  """The point was answered by others meanwhile; nothing was recorded."""


class Answer(NamedTuple):
  """One answer as it comes from a page."""

  request: str  # its id
  answer: str  # 'label', 'unsure', 'skip' or 'undo'
  label: int | None
  seconds: float
  how: records.How


class Progress(NamedTuple):
  """How far the work is; a point asked of two annotators counts twice."""

  needed: int
  given: int


def asked_twice(request: str, overlap: float) -> bool:
  """Whether a point is among the share that two annotators are asked about."""
  return zlib.crc32(request.encode()) < overlap * 2**32


class Queue:
  """Hands out the open points of a store and records their answers.

  It reads the store once and then keeps count by itself: no other process may
  answer meanwhile. All methods belong to the thread that made it, as the store
  does.
  """

  def __init__(
    self,
    store: store_lib.Store,
    overlap: float = 0.0,
    clock: Callable[[], float] = time.time,
  ) -> None:
    """Takes a store.

    Args:
      store: open, with all requests in it.
      overlap: the share of points that two annotators are asked about.
      clock: seconds since 1970.
    """
    self._store, self._clock = store, clock
    self._order = store.ordered()
    self._place = {request.id: i for i, request in enumerate(self._order)}
    self._needed = {
      request.id: 1 + asked_twice(request.id, overlap)
      for request in self._order
    }
    self._total = sum(self._needed.values())
    self._twice = [id for id, needed in self._needed.items() if needed > 1]
    self._budgets = planning.budgets(self._order, [*self._needed.values()])
    # What stands, by point and annotator and by annotator and point, each
    # annotator's oldest answer first.
    self._said: dict[str, dict[str, records.PersonAnswer]] = {}
    self._by: dict[str, dict[str, records.PersonAnswer]] = {}
    for given in store.answers_by_person():
      self._keep(given)
    self._leases: dict[str, dict[str, float]] = {}
    for lease in store.leases():
      mine = self._said.get(lease.request, {}).get(lease.annotator)
      if mine is not None and mine.answer != 'skip':
        continue  # answered since
      self._leases.setdefault(lease.request, {})[lease.annotator] = (
        lease.expires
      )
    self._given = sum(map(self._count, self._needed))
    # Places of the points that want answers and that nobody skipped, in order;
    # and of those that somebody skipped, with the number of the last skip.
    self._open: list[int] = []
    self._later: dict[int, int] = {}
    for place, request in enumerate(self._order):
      if self._wants(request.id):
        skipped = self._skipped(request.id)
        if skipped is None:
          self._open.append(place)
        else:
          self._later[place] = skipped

  def progress(self) -> Progress:
    """How many answers are needed, and how many there are."""
    return Progress(self._total, self._given)

  @property
  def complete(self) -> bool:
    """Whether nobody needs to answer anything any more."""
    return not self._open and not self._later

  def hand_out(self, annotator: str, count: int) -> list[records.Request]:
    """Puts points in an annotator's hands, those worth most first.

    Args:
      annotator: who wants them; gets what is in his or her hands already, too.
      count: how many, at most.
    """
    now = self._clock()
    found: list[records.Request] = []
    for place in self._waiting():
      if len(found) == count:
        break
      request = self._order[place]
      if self._may_answer(request.id, annotator, now):
        found.append(request)
    self._lease([request.id for request in found], annotator, now)
    return found

  def record(self, annotator: str, answer: Answer) -> bool:
    """Records an answer; it is on disk when this returns.

    Returns:
      Whether it was new; False for one that was sent before.

    Raises:
      Taken: others have answered the point.
      ValueError: there is no such point or label, or nothing to undo.
    """
    request, now = answer.request, self._clock()
    first = annotator not in self._said.get(request, {})
    settles = answer.how.mode == 'adjudicate'
    # A lease that ran out while somebody was away does no harm as long as the
    # point still wants an answer.
    if (
      first
      and request in self._place
      and answer.answer != 'undo'
      and not settles
      and not self._wants(request)
    ):
      if self._known(answer):
        return False
      raise Taken(request)
    if answer.answer == 'label':
      if answer.label is None:
        raise ValueError(f'the label of {request} is missing')
      new = self._store.answer(
        request, answer.label, annotator, answer.seconds, answer.how
      )
    else:
      new = self._store.mark(
        request, answer.answer, annotator, answer.seconds, answer.how
      )
    if new:
      self._follow(request, annotator, now, reopened=answer.answer == 'undo')
    return new

  def history(self, annotator: str, count: int) -> list[records.PersonAnswer]:
    """An annotator's last answers, the latest first."""
    mine = self._by.get(annotator, {})
    return [mine[key] for key in itertools.islice(reversed(mine), count)]

  def said(self, request: str) -> list[records.PersonAnswer]:
    """What everybody says of a point."""
    return list(self._said.get(request, {}).values())

  def request(self, request: str) -> records.Request:
    """A request by its id.

    Raises:
      ValueError: there is none.
    """
    if request not in self._place:
      raise ValueError(f'there is no request {request!r}')
    return self._order[self._place[request]]

  def agreement(self) -> agreement.Agreement:
    """How far those agree who were asked about the same points."""
    return agreement.measure(
      [said for by in self._said.values() for said in by.values()]
    )

  def plan(self, annotator: str | None = None) -> planning.Plan:
    """What is left to do, and what smaller budgets hold.

    Args:
      annotator: at whose pace; everybody's where that is not known yet.
    """
    mine = self._by.get(annotator, {}) if annotator else {}
    pace = (
      planning.pace(mine.values(), annotator)
      or planning.pace(said for by in self._by.values() for said in by.values())
      or planning.ASSUMED
    )
    return planning.plan(self._budgets, self._left(), self._given, pace)

  def _left(self) -> list[int]:
    """The answers that each budget still wants."""
    # Each point that wants any wants one, and another if it is asked twice and
    # has none; so nothing has to be counted but places in order.
    untouched = [
      self._place[request]
      for request in self._twice
      if request not in self._said or not self._answers(request)
    ]
    wanting = (self._open, sorted(self._later), untouched)
    return [
      sum(bisect.bisect_left(places, budget.points) for places in wanting)
      for budget in self._budgets
    ]

  def _known(self, answer: Answer) -> bool:
    """Whether an answer was sent before and undone, or by another window."""
    return answer.how.key is not None and self._store.has_key(answer.how.key)

  def _follow(
    self, request: str, annotator: str, now: float, *, reopened: bool
  ) -> None:
    """Brings what is kept in memory up to what the store says."""
    self._given -= self._count(request)
    self._said.get(request, {}).pop(annotator, None)
    self._by.get(annotator, {}).pop(request, None)
    for given in self._store.answers_by_person(request):
      if given.annotator == annotator:
        self._keep(given)
        if reopened:  # an older answer stands again; it is not the latest
          mine = self._by[annotator].items()
          self._by[annotator] = dict(sorted(mine, key=lambda item: item[1].seq))
    self._given += self._count(request)
    self._sort_in(request)
    if reopened and self._wants(request):
      self._lease([request], annotator, now)
      return
    held = self._leases.get(request, {}).pop(annotator, None)
    if held is not None and self._wants(request):  # it is anybody's again
      self._store.lease([records.Lease(request, annotator, 0.0)])

  def _keep(self, given: records.PersonAnswer) -> None:
    self._said.setdefault(given.request, {})[given.annotator] = given
    self._by.setdefault(given.annotator, {})[given.request] = given

  def _answers(self, request: str) -> int:
    """How many annotators have answered a point."""
    said = self._said.get(request, {})
    return sum(given.answer != 'skip' for given in said.values())

  def _count(self, request: str) -> int:
    return min(self._answers(request), self._needed[request])

  def _wants(self, request: str) -> bool:
    return self._answers(request) < self._needed[request]

  def _sort_in(self, request: str) -> None:
    """Puts a point where it belongs: open, for later, or neither."""
    place = self._place[request]
    i = bisect.bisect_left(self._open, place)
    if i < len(self._open) and self._open[i] == place:
      del self._open[i]
    self._later.pop(place, None)
    if not self._wants(request):
      return
    skipped = self._skipped(request)
    if skipped is None:
      bisect.insort(self._open, place)
    else:
      self._later[place] = skipped

  def _skipped(self, request: str) -> int | None:
    """The number of the last skip of a point that stands, if there is one."""
    said = self._said.get(request, {}).values()
    return max((x.seq for x in said if x.answer == 'skip'), default=None)

  def _waiting(self) -> Iterator[int]:
    """Places of points that want answers; what was just skipped comes last."""
    yield from self._open
    yield from sorted(self._later, key=self._later.__getitem__)

  def _may_answer(self, request: str, annotator: str, now: float) -> bool:
    """Whether a point that wants answers still wants this annotator's."""
    mine = self._said.get(request, {}).get(annotator)
    if mine is not None and mine.answer != 'skip':
      return False
    others = sum(
      expires > now
      for who, expires in self._leases.get(request, {}).items()
      if who != annotator
    )
    return self._answers(request) + others < self._needed[request]

  def _lease(self, requests: Sequence[str], annotator: str, now: float) -> None:
    """Leases what is not leased for long yet."""
    soon, expires = now + LEASE_SECONDS / 2, now + LEASE_SECONDS
    leases = []
    for request in requests:
      held = self._leases.setdefault(request, {})
      if held.get(annotator, 0.0) < soon:
        held[annotator] = expires
        leases.append(records.Lease(request, annotator, expires))
    if leases:
      self._store.lease(leases)
