"""What is put into the tables of the annotation store."""

import sqlite3
from collections.abc import Iterable, Sequence

import numpy as np

from pointsup_jax.annotation import queries, records, state

ANSWER = (
  'INSERT INTO answers (request_id, answer, label, annotator, seconds, time,'
  ' active_seconds, mode, key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)'
)


def requests(
  connection: sqlite3.Connection, added: Sequence[records.Request]
) -> None:
  """Adds requests; a point of round 0 gets the round that asks for it."""
  new = []
  for request in added:
    # SQLite would store NumPy's scalars as bytes.
    id_, *rest = (x.item() if isinstance(x, np.generic) else x for x in request)
    known = connection.execute(
      f'UPDATE requests SET ({queries.FIELDS.removeprefix("id, ")})'
      ' = (?, ?, ?, ?, ?, ?, ?, ?) WHERE id = ? AND round = 0',
      (*rest, id_),
    )
    if not known.rowcount:
      connection.execute(
        'INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)', (id_, *rest)
      )
      new.append(request.id)
  state.add(connection, new, {request.image for request in added})


def comments(
  connection: sqlite3.Connection,
  added: Iterable[records.Comment],
  key: str | None = None,
) -> None:
  """Adds comments, of known requests, that have a time."""
  connection.executemany(
    'INSERT INTO comments (request_id, annotator, text, time, key)'
    ' VALUES (?, ?, ?, ?, ?)',
    [(*comment, key) for comment in added],
  )
