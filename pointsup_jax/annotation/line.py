"""The line of points that are still wanted."""

import bisect
from collections.abc import Iterator


class Line:
  """Positions, in the order of all points, of those that want an answer.

  What somebody skipped comes after all others, the latest skipped last.
  """

  def __init__(self) -> None:
    self._places: list[int] = []  # sorted
    self._skipped: dict[int, int] = {}  # position -> seq of its latest skip

  def put(self, place: int, skipped: int | None) -> None:
    """Has a point wait, and notes the seq of its latest skip, None: none."""
    self.take_out(place)
    bisect.insort(self._places, place)
    if skipped is not None:
      self._skipped[place] = skipped

  def take_out(self, place: int) -> None:
    """Has a point wait no longer, if it did."""
    i = bisect.bisect_left(self._places, place)
    if i < len(self._places) and self._places[i] == place:
      del self._places[i]
    self._skipped.pop(place, None)

  def __bool__(self) -> bool:
    return bool(self._places)

  def __iter__(self) -> Iterator[int]:
    yield from (x for x in self._places if x not in self._skipped)
    yield from sorted(self._skipped, key=self._skipped.__getitem__)

  def count(self, begin: int, end: int) -> int:
    """Counts the positions in [begin, end)."""
    return len(range(*self._slice(begin, end)))

  def between(self, begin: int, end: int) -> list[int]:
    """Returns the positions in [begin, end), in the order of the line."""
    first, last = self._slice(begin, end)
    return sorted(
      self._places[first:last], key=lambda x: (self._skipped.get(x, -1), x)
    )

  def _slice(self, begin: int, end: int) -> tuple[int, int]:
    places = self._places
    return bisect.bisect_left(places, begin), bisect.bisect_left(places, end)
