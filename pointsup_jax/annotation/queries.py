"""What is asked of the tables of the annotation store, and put into them."""

import sqlite3
from collections.abc import Iterable, Sequence

import numpy as np

from pointsup_jax.annotation import records

# Columns of `requests`, as records.Request has them.
FIELDS = 'id, image, row, col, patch, score, pseudo_label, round, model_step'
INSERT_ANSWER = (
  'INSERT INTO answers (request_id, answer, label, annotator, seconds, time,'
  ' active_seconds, mode, key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)'
)
# Everybody's latest comment on each point, unless it is empty.
COMMENTS = """
  SELECT request_id, annotator, text, time FROM (
    SELECT *, row_number() OVER (PARTITION BY request_id, annotator
      ORDER BY time DESC, seq DESC) AS age FROM comments)
  WHERE age = 1 AND text != '' ORDER BY seq"""


def answers_by_person(where: str = '') -> str:
  """Returns the query for each annotator's standing answer to each point.

  An undo cancels its annotator's previous answer. Read backwards, an undo is +1
  and an answer -1; the sum first reaches -1 at the standing answer.

  `where` is a WHERE clause on `answers`. Filtering the view instead would read
  all answers, as SQLite would not use an index.
  """
  return f"""
    SELECT max(seq) AS seq, request_id, annotator, answer, label, seconds,
      active_seconds, mode, time
    FROM (
      SELECT *, sum(CASE answer WHEN 'undo' THEN 1 ELSE -1 END)
        OVER (PARTITION BY request_id, annotator ORDER BY seq DESC) AS balance
      FROM answers {where})
    WHERE balance = -1 GROUP BY request_id, annotator"""


def state(which: str = '') -> str:
  """Returns the query for each request with the answer that holds, if any.

  Of the standing answers to a point, the one that holds is not a skip if
  possible, then an adjudication if there is one, then the latest given on the
  page, then the first that was imported: an import overrules nobody. `which`
  is an SQL condition on the `answers` that count, such as 'AND seq <= 9'.
  """
  answers = answers_by_person(f'WHERE request_id = requests.id {which}')
  return f"""
    SELECT requests.rowid AS position, requests.*, images.score AS image_score,
      answer, label, annotator, seconds, time
    FROM requests JOIN images USING (image) LEFT JOIN answers ON seq = (
      SELECT seq FROM ({answers})
      ORDER BY answer = 'skip', mode IS NOT 'adjudicate', mode IS NULL,
        CASE WHEN mode IS NULL THEN seq END,
        CASE WHEN mode != 'adjudicate' THEN time END DESC, seq DESC
      LIMIT 1)"""


def insert(
  connection: sqlite3.Connection, requests: Sequence[records.Request]
) -> None:
  """Adds requests; a point of round 0 gets the round that asks for it."""
  for request in requests:
    # SQLite would store NumPy's scalars as bytes.
    id_, *rest = (x.item() if isinstance(x, np.generic) else x for x in request)
    added = connection.execute(
      f'UPDATE requests SET ({FIELDS.removeprefix("id, ")})'
      ' = (?, ?, ?, ?, ?, ?, ?, ?) WHERE id = ? AND round = 0',
      (*rest, id_),
    )
    if not added.rowcount:
      connection.execute(
        'INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)', (id_, *rest)
      )


def insert_comments(
  connection: sqlite3.Connection,
  comments: Iterable[records.Comment],
  key: str | None = None,
) -> None:
  """Adds comments, of known requests, that have a time."""
  connection.executemany(
    'INSERT INTO comments (request_id, annotator, text, time, key)'
    ' VALUES (?, ?, ?, ?, ?)',
    [(*comment, key) for comment in comments],
  )
