"""Tables of the annotation store, and opening its file."""

import contextlib
import pathlib
import sqlite3
from collections.abc import Iterator

from pointsup_jax import errors

VERSION = 3
_TABLES = {'images', 'requests', 'answers'}
_BUSY_SECONDS = 30.0


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


_SCHEMA = (
  """CREATE TABLE images (
    image TEXT PRIMARY KEY,
    score REAL NOT NULL,      -- mean over its patches, newest round
    height INTEGER NOT NULL,  -- pixels, where row and col count
    width INTEGER NOT NULL
  )""",
  """CREATE TABLE requests (
    id TEXT PRIMARY KEY,      -- image-r131-c355
    image TEXT NOT NULL REFERENCES images (image),
    row INTEGER NOT NULL,
    col INTEGER NOT NULL,
    patch INTEGER NOT NULL,
    score REAL NOT NULL,      -- of the patch
    pseudo_label INTEGER NOT NULL,
    round INTEGER NOT NULL,
    model_step INTEGER NOT NULL
  )""",
  'CREATE INDEX requests_of_image ON requests (image)',
  # Patch scores of each image in each round.
  """CREATE TABLE scored (
    round INTEGER NOT NULL,
    image TEXT NOT NULL REFERENCES images (image),
    patches BLOB NOT NULL,    -- float32 scores, little-endian
    PRIMARY KEY (round, image)
  ) WITHOUT ROWID""",
  """CREATE TABLE answers (
    seq INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL REFERENCES requests (id),
    answer TEXT NOT NULL
      CHECK (answer IN ('label', 'unsure', 'skip', 'undo')),
    label INTEGER CHECK (label BETWEEN 0 AND 255),
    annotator TEXT NOT NULL,
    seconds REAL,
    time TEXT NOT NULL,       -- ISO 8601, UTC
    -- The part of `seconds` in which somebody was at work.
    active_seconds REAL,
    -- Whether the model's guess was hidden ('blind') or confirmed ('confirm'),
    -- or a dispute settled ('adjudicate'); NULL: nobody was asked on a page.
    mode TEXT CHECK (mode IN ('blind', 'confirm', 'adjudicate')),
    -- Chosen by whoever answers: an answer sent twice is recorded once.
    key TEXT,
    CHECK ((answer = 'label') = (label IS NOT NULL))
  )""",
  'CREATE INDEX answers_to_request ON answers (request_id, seq)',
  'CREATE UNIQUE INDEX answers_by_key ON answers (key)',
  """CREATE TRIGGER answers_stay BEFORE UPDATE ON answers
    BEGIN SELECT raise(ABORT, 'answers are only ever appended'); END""",
  """CREATE TRIGGER answers_remain BEFORE DELETE ON answers
    BEGIN SELECT raise(ABORT, 'answers are only ever appended'); END""",
  """CREATE TABLE leases (
    request_id TEXT NOT NULL REFERENCES requests (id),
    annotator TEXT NOT NULL,
    expires REAL NOT NULL,    -- seconds since 1970, UTC
    PRIMARY KEY (request_id, annotator)
  ) WITHOUT ROWID""",
  f'CREATE VIEW answers_by_person AS {answers_by_person()}',
  # Of the standing answers to a point, the one that holds is not a skip if
  # possible, then an adjudication if there is one, then the latest.
  f"""CREATE VIEW state AS
    SELECT requests.rowid AS position, requests.*, images.score AS image_score,
      answer, label, annotator, seconds, time
    FROM requests JOIN images USING (image) LEFT JOIN answers ON seq = (
      SELECT seq FROM ({answers_by_person('WHERE request_id = requests.id')})
      ORDER BY answer = 'skip', mode IS NOT 'adjudicate', seq DESC
      LIMIT 1)""",
  """CREATE VIEW points AS
    SELECT image, row, col, patch, score, pseudo_label, label, annotator, time
    FROM state ORDER BY position""",
)


def connect(path: pathlib.Path) -> sqlite3.Connection:
  """Opens a store, or creates an empty one if the file does not exist.

  Each statement is its own transaction unless BEGIN is used; commits are
  durable. The folder of `path` must exist.

  Raises:
    errors.UserError: the file cannot be opened or is not a store.
  """
  try:
    connection = sqlite3.connect(
      path, timeout=_BUSY_SECONDS, isolation_level=None
    )
  except sqlite3.OperationalError as error:
    raise _unusable(path, error) from error
  with _closed_on_failure(connection, path):
    connection.execute('PRAGMA foreign_keys = ON')
    _create_or_check(connection, path)
    # After the check, because WAL mode is stored in the file.
    connection.execute('PRAGMA journal_mode = WAL')
    connection.execute('PRAGMA synchronous = FULL')
  return connection


def connect_to_copy(path: pathlib.Path) -> sqlite3.Connection:
  """Opens an in-memory snapshot of an existing store, changing no file.

  Even a read-only connection would leave write-ahead log files behind. Other
  processes may be writing to the store.

  Raises:
    errors.UserError: the file cannot be opened or is not a store.
  """
  # Without a log nobody has the file open; with one, respect its locks.
  logged = path.with_name(f'{path.name}-wal').exists()
  how = 'mode=ro' if logged else 'immutable=1'
  connection = sqlite3.connect(':memory:', isolation_level=None)
  with (
    _closed_on_failure(connection, path),
    contextlib.closing(
      sqlite3.connect(f'{path.absolute().as_uri()}?{how}', uri=True)
    ) as file,
  ):
    file.backup(connection)
    _create_or_check(connection, path)
  return connection


@contextlib.contextmanager
def _closed_on_failure(
  connection: sqlite3.Connection, path: pathlib.Path
) -> Iterator[None]:
  try:
    yield
  except sqlite3.DatabaseError as error:
    connection.close()
    raise _unusable(path, error) from error
  except errors.UserError:
    connection.close()
    raise


def _create_or_check(
  connection: sqlite3.Connection, path: pathlib.Path
) -> None:
  """Creates the tables unless they exist, in one transaction."""
  if _has_tables(connection, path):
    return
  connection.execute('BEGIN IMMEDIATE')
  # Another process may have created them meanwhile.
  if not _has_tables(connection, path):
    for statement in _SCHEMA:
      connection.execute(statement)
    connection.execute(f'PRAGMA user_version = {VERSION}')
  connection.execute('COMMIT')


def _has_tables(connection: sqlite3.Connection, path: pathlib.Path) -> bool:
  """Whether a file has the tables; raises UserError if it is not a store."""
  (version,) = connection.execute('PRAGMA user_version').fetchone()
  found = {
    name
    for (name,) in connection.execute(
      "SELECT name FROM sqlite_master WHERE type = 'table'"
    )
  }
  if not found and not version:
    return False
  if not found >= _TABLES:
    raise errors.UserError(
      f'{path} is an SQLite file but not an annotation store (no table '
      f'{min(_TABLES - found)}); move it away or use another workdir'
    )
  if version != VERSION:
    raise errors.UserError(
      f'{path} has version {version} of the annotation store but this program '
      f'reads version {VERSION}; use the program that wrote it'
    )
  return True


def _unusable(path: pathlib.Path, error: Exception) -> errors.UserError:
  return errors.UserError(
    f'{path} cannot be opened as an annotation store: {error}; it must be a '
    'file that this program wrote, in a folder that can be written'
  )
