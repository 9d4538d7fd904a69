"""Finds answers that show what a class looks like."""

from typing import NamedTuple

from pointsup_jax.annotation import database
from pointsup_jax.types import IGNORE

_LOOKED_AT = 20_000  # answers, so that it takes a part of a second
# A point is met at the answer that holds. CROSS JOIN: SQLite must not change
# the order of the tables, lest it reads all points.
_FIND = f"""
  SELECT label, id, agreed FROM (
    SELECT *, row_number() OVER (
      PARTITION BY label ORDER BY agreed DESC, seq DESC) AS place
    FROM (
      SELECT latest.seq, latest.label, requests.id, given > 1 AS agreed
      FROM (SELECT * FROM answers ORDER BY seq DESC LIMIT {_LOOKED_AT})
          AS latest
        CROSS JOIN requests ON requests.id = latest.request_id
        CROSS JOIN held ON held.point = requests.rowid
      WHERE held.seq = latest.seq AND latest.label != {IGNORE}
        AND given >= needed AND NOT EXISTS (
          SELECT 1 FROM said WHERE said.point = held.point
            AND said.answer != 'skip' AND said.label IS NOT latest.label)))
  WHERE place <= :most ORDER BY label, place"""


class Exemplar(NamedTuple):
  """A point whose class is known."""

  request: str  # its id
  agreed: bool  # at least two annotators said the same


def find(
  open_database: database.Database, most: int
) -> dict[int, list[Exemplar]]:
  """Returns up to `most` points of each class that was answered.

  Agreed ones come first, else the latest. Where people differ, or one was
  unsure, a point shows nothing. Nor is one shown that wants more answers:
  whoever gives those must not know the others. Only looks at the latest 20,000
  answers.
  """
  found: dict[int, list[Exemplar]] = {}
  for label, request, agreed in open_database.query(_FIND, most=most):
    found.setdefault(label, []).append(Exemplar(request, bool(agreed)))
  return found
