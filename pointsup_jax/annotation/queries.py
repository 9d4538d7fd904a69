"""What is asked of the tables of the annotation store."""

from pointsup_jax.types import IGNORE

# Columns of `requests`, as records.Request has them.
FIELDS = 'id, image, row, col, patch, score, pseudo_label, round, model_step'
# The same beside other tables.
REQUEST = ', '.join(f'requests.{field}' for field in FIELDS.split(', '))


def comments(where: str = '') -> str:
  """Returns the query for everybody's latest comments, but empty ones.

  `where` is a WHERE clause on `comments`.
  """
  return f"""
    SELECT request_id, annotator, text, time FROM (
      SELECT *, row_number() OVER (PARTITION BY request_id, annotator
        ORDER BY time DESC, seq DESC) AS age FROM comments {where})
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


# The best of some answers.
_HOLDING = """ORDER BY answers.answer = 'skip', mode IS NOT 'adjudicate',
    mode IS NULL, CASE WHEN mode IS NULL THEN answers.seq END,
    CASE WHEN mode != 'adjudicate' THEN time END DESC, answers.seq DESC
  LIMIT 1"""


def holds(where: str) -> str:
  """Returns the query for the seq of the answer that holds at a point, if any.

  Of the standing answers to a point, the one that holds is not a skip if
  possible, then an adjudication if there is one, then the latest given on the
  page, then the first that was imported: an import overrules nobody. `where`
  is an SQL condition on `said`.
  """
  return f"""SELECT answers.seq FROM said JOIN answers USING (seq)
    WHERE {where} {_HOLDING}"""


def held_at() -> str:
  """As `holds`, at `requests.id` and for the answers up to the seq :last."""
  then = answers_by_person('WHERE request_id = requests.id AND seq <= :last')
  return f'SELECT seq FROM ({then}) AS answers {_HOLDING}'


# Each request with the answer that holds, if any.
STATE = """
  SELECT requests.rowid AS position, requests.*, images.score AS image_score,
    answer, label, annotator, seconds, time
  FROM requests JOIN images USING (image)
    LEFT JOIN held ON held.point = requests.rowid
    LEFT JOIN answers ON answers.seq = held.seq"""

# Columns of `said` and `answers`, as records.PersonAnswer has them.
PERSON_ANSWER = (
  'answers.seq, request_id, answers.annotator, answers.answer, answers.label,'
  ' active_seconds, mode, seconds'
)
# The answers of an :image to the :round, among those up to the seq :last.
ANSWERED = f"""
  SELECT row, col, coalesce(label, {IGNORE})
  FROM requests JOIN held ON held.point = requests.rowid
    JOIN answers ON answers.seq = CASE
      WHEN EXISTS (SELECT 1 FROM answers
        WHERE request_id = requests.id AND answers.seq > :last)
      THEN ({held_at()}) ELSE held.seq END
  WHERE image = :image AND round <= :round AND answer IN ('label', 'unsure')
  ORDER BY requests.rowid"""
