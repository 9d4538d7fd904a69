"""Finds the points that wait for an annotator, by looking at few others."""

import heapq
from collections.abc import Iterator
from typing import NamedTuple

from pointsup_jax.annotation import database, queries, records

# How many others may be answering a point: their leases last. A lease that ends
# later than a new one was given before the clock was set back.
_LEASED = """(SELECT count(*) FROM leases WHERE request_id = requests.id
  AND leases.annotator != :annotator AND expires > :now AND expires <= :latest
  AND NOT EXISTS (SELECT 1 FROM said WHERE said.point = held.point
    AND said.annotator = leases.annotator AND answer != 'skip'))"""
_COLUMNS = f"""{queries.REQUEST}, {{score}}, requests.rowid, (
  SELECT expires FROM leases
  WHERE request_id = requests.id AND leases.annotator = :annotator)"""
_IS_FREE = f'held.given + {_LEASED} < held.needed'
_HAS_ANSWERED = """EXISTS (SELECT 1 FROM said WHERE said.point = held.point
  AND said.annotator = :annotator AND answer != 'skip')"""
# CROSS JOIN: SQLite must not change the order of the tables, which is that of
# the answer, so that it reads no more than it returns and passes.
_FRESH = f"""
  SELECT {_COLUMNS.format(score='tallies.score')}
  FROM tallies CROSS JOIN requests USING (image)
    CROSS JOIN held ON held.point = requests.rowid
  WHERE fresh > 0 AND held.given = 0 AND skipped IS NULL AND {_IS_FREE}
  ORDER BY tallies.score DESC, tallies.image, requests.rowid LIMIT :count"""
_HALVES = f"""
  SELECT {_COLUMNS.format(score='halves.score')}
  FROM halves CROSS JOIN requests ON requests.rowid = halves.point
    CROSS JOIN held ON held.point = halves.point
  WHERE halves.annotator = :other AND {_IS_FREE}
  ORDER BY halves.score DESC, halves.image, halves.point LIMIT :count"""
_LATER = f"""
  SELECT {_COLUMNS.format(score='0.0')}
  FROM held CROSS JOIN requests ON requests.rowid = held.point
  WHERE skipped IS NOT NULL AND held.given < held.needed
    AND NOT {_HAS_ANSWERED} AND {_IS_FREE}
  ORDER BY skipped LIMIT :count"""
_OPEN_IN_IMAGE = f"""
  FROM requests CROSS JOIN held ON held.point = requests.rowid
  WHERE requests.image = :image AND NOT {_HAS_ANSWERED} AND {_IS_FREE}"""
# But for those that the annotator skipped after the answer :after. NULL, which
# is never skipped, comes first.
_IN_IMAGE = f"""
  SELECT {_COLUMNS.format(score='0.0')} {_OPEN_IN_IMAGE}
    AND NOT EXISTS (SELECT 1 FROM said WHERE said.point = held.point
      AND said.annotator = :annotator AND said.seq > :after)
  ORDER BY skipped, requests.rowid LIMIT :count"""
_NEXT_HALF = 'SELECT min(annotator) FROM halves WHERE annotator > ?'


class Waiting(NamedTuple):
  """A point that an annotator may answer."""

  request: records.Request
  score: float  # of its image
  position: int
  expires: float | None  # of the annotator's own lease, if there is any


class Asked(NamedTuple):
  """Who asks when. Other people's leases count that end in this time."""

  annotator: str
  now: float  # seconds since 1970
  latest: float  # likewise


def first(
  open_database: database.Database, asked: Asked, count: int
) -> list[Waiting]:
  """Returns the first points that wait for an annotator, at most `count`.

  The most valuable come first, those that somebody skipped last, the longest
  ago first.
  """
  streams = [
    _find(open_database, _HALVES, asked, count=count, other=other)
    for other in _others(open_database)
    if other != asked.annotator
  ]
  streams.append(_find(open_database, _FRESH, asked, count=count))
  found = list(heapq.merge(*streams, key=_order))[:count]
  if len(found) < count:
    found += _find(open_database, _LATER, asked, count=count - len(found))
  return found


def in_image(
  open_database: database.Database,
  image: str,
  asked: Asked,
  count: int,
  after: int,
) -> list[Waiting]:
  """Returns the first points of an image that wait, at most `count`.

  Those that somebody skipped come last, the longest ago first, but for what the
  annotator skipped after the answer with the seq `after`.
  """
  return _find(
    open_database, _IN_IMAGE, asked, image=image, count=count, after=after
  )


def count_in_image(
  open_database: database.Database, image: str, asked: Asked
) -> int:
  """Counts the points of an image that wait for an annotator."""
  ((count,),) = open_database.query(
    f'SELECT count(*) {_OPEN_IN_IMAGE}', image=image, **asked._asdict()
  )
  return count


def _find(
  open_database: database.Database, sql: str, asked: Asked, **more: object
) -> list[Waiting]:
  rows = open_database.query(sql, **asked._asdict(), **more)
  return [Waiting(records.Request(*row[:-3]), *row[-3:]) for row in rows]


def _order(point: Waiting) -> tuple[float, str, int]:
  return -point.score, point.request.image, point.position


def _others(open_database: database.Database) -> Iterator[str]:
  """Those who alone have answered points that two people must answer."""
  other: str | None = ''
  while other is not None:
    ((other,),) = open_database.query(_NEXT_HALF, other)
    if other is not None:
      yield other
