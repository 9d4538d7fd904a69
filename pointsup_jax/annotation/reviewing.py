"""Chooses answers that a second person looks at."""

from typing import NamedTuple

from pointsup_jax.annotation import database, queries, records

_NOT_MINE = """NOT EXISTS (SELECT 1 FROM said AS mine
  WHERE mine.point = held.point AND mine.annotator = :annotator
    AND mine.answer != 'skip')"""
# Points that anybody, or :whose, has answered and the annotator has not.
_OF_ANYBODY = f'FROM held WHERE given > 0 AND review < :below AND {_NOT_MINE}'
_OF_ONE = f"""FROM said CROSS JOIN held USING (point)
  WHERE said.annotator = :whose AND said.answer != 'skip'
    AND review < :below AND {_NOT_MINE}"""


class Found(NamedTuple):
  """Points to look at."""

  found: int
  points: list[records.Request]  # the first of them, most valuable first


def find(
  open_database: database.Database,
  annotator: str,
  share: float,
  whose: str = '',
  count: int = 0,
) -> Found:
  """Returns the points that an annotator is to look at, at most `count`.

  These are points that others have answered and the annotator has not; of them
  a share, 0 to 1, which is the same for everybody: not of the share that two
  annotators are asked, which needs it least.

  Args:
    open_database: of the store.
    annotator: who looks.
    share: of the points.
    whose: only answers of this annotator; '': of anybody else.
    count: how many to return; the number of all is told.
  """
  chosen = _OF_ONE if whose else _OF_ANYBODY
  values: dict[str, object] = {'annotator': annotator, 'below': share * 2**32}
  if whose:
    values['whose'] = whose
  ((found,),) = open_database.query(f'SELECT count(*) {chosen}', **values)
  rows = open_database.query(
    f'SELECT {queries.REQUEST} FROM (SELECT held.point {chosen})'
    ' JOIN requests ON requests.rowid = point JOIN tallies USING (image)'
    ' ORDER BY tallies.score DESC, image, point LIMIT :count',
    **values,
    count=count if found else 0,
  )
  return Found(found, [records.Request(*row) for row in rows])
