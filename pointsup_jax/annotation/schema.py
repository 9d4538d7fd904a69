"""The tables of an annotation store, and opening a file that has them."""

import contextlib
import pathlib
import sqlite3
from collections.abc import Iterator

from pointsup_jax import errors

VERSION = 3
_TABLES = {'images', 'requests', 'answers'}
_BUSY_SECONDS = 30.0

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
  """CREATE TABLE answers (
    seq INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL REFERENCES requests (id),
    answer TEXT NOT NULL
      CHECK (answer IN ('label', 'unsure', 'skip', 'undo')),
    label INTEGER CHECK (label BETWEEN 0 AND 255),
    annotator TEXT NOT NULL,
    seconds REAL,
    time TEXT NOT NULL,       -- ISO 8601, UTC
    CHECK ((answer = 'label') = (label IS NOT NULL))
  )""",
  'CREATE INDEX answers_to_request ON answers (request_id, seq)',
  """CREATE TRIGGER answers_stay BEFORE UPDATE ON answers
    BEGIN SELECT raise(ABORT, 'answers are only ever appended'); END""",
  """CREATE TRIGGER answers_remain BEFORE DELETE ON answers
    BEGIN SELECT raise(ABORT, 'answers are only ever appended'); END""",
)


def standing(where: str = '') -> str:
  """The query for what each annotator says of each point.

  Each undo takes back its annotator's answer before it. Read backwards, an undo
  is +1 and an answer -1; the sum first reaches -1 at the answer that stands.

  Args:
    where: a WHERE clause on `answers`. SQLite would not see through the view
      that it can use an index, and read all answers there are.
  """
  return f"""
    SELECT max(seq) AS seq, request_id, annotator, answer, label, seconds,
      active_seconds, mode, time
    FROM (
      SELECT *, sum(CASE answer WHEN 'undo' THEN 1 ELSE -1 END)
        OVER (PARTITION BY request_id, annotator ORDER BY seq DESC) AS balance
      FROM answers {where})
    WHERE balance = -1 GROUP BY request_id, annotator"""


# What each version adds to the one before; a new store gets all in turn.
_SINCE_2 = (
  # The part of `seconds` in which somebody was at work.
  'ALTER TABLE answers ADD COLUMN active_seconds REAL',
  # Whether the model's guess was hidden ('blind') or confirmed ('confirm'), or
  # a dispute settled ('adjudicate'); NULL: nobody was asked on a page.
  """ALTER TABLE answers ADD COLUMN mode TEXT
    CHECK (mode IN ('blind', 'confirm', 'adjudicate'))""",
  # Chosen by whoever answers: an answer sent twice is recorded once.
  'ALTER TABLE answers ADD COLUMN key TEXT',
  'CREATE UNIQUE INDEX answers_by_key ON answers (key)',
  """CREATE TABLE leases (
    request_id TEXT NOT NULL REFERENCES requests (id),
    annotator TEXT NOT NULL,
    expires REAL NOT NULL,    -- seconds since 1970, UTC
    PRIMARY KEY (request_id, annotator)
  ) WITHOUT ROWID""",
  'DROP VIEW IF EXISTS points',
  'DROP VIEW IF EXISTS state',
  f'CREATE VIEW standing AS {standing()}',
  # Of the answers that stand one holds: a skipped point may be answered by
  # somebody else, a settled dispute is settled, otherwise the latest counts.
  f"""CREATE VIEW state AS
    SELECT requests.rowid AS position, requests.*, images.score AS image_score,
      answer, label, annotator, seconds, time
    FROM requests JOIN images USING (image) LEFT JOIN answers ON seq = (
      SELECT seq FROM ({standing('WHERE request_id = requests.id')})
      ORDER BY answer = 'skip', mode IS NOT 'adjudicate', seq DESC
      LIMIT 1)""",
  """CREATE VIEW points AS
    SELECT image, row, col, patch, score, pseudo_label, label, annotator, time
    FROM state ORDER BY position""",
)

_SINCE_3 = (
  # What each round of questions thought of each image.
  """CREATE TABLE scored (
    round INTEGER NOT NULL,
    image TEXT NOT NULL REFERENCES images (image),
    patches BLOB NOT NULL,    -- float32 scores, little-endian; empty: unknown
    PRIMARY KEY (round, image)
  ) WITHOUT ROWID""",
  "INSERT INTO scored SELECT 1, image, x'' FROM images",
)


def connect(path: pathlib.Path) -> sqlite3.Connection:
  """Opens a store, or creates an empty one where there is no file.

  Args:
    path: the file; its folder must exist.

  Returns:
    A connection on which every statement is a transaction of its own unless
    BEGIN says otherwise, and a transaction is on disk once it is committed.

  Raises:
    errors.UserError: the file cannot be opened, or is something else.
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
    # Only once the file is known to be ours: WAL is a mark in the file.
    connection.execute('PRAGMA journal_mode = WAL')
    connection.execute('PRAGMA synchronous = FULL')
  return connection


def connect_to_copy(path: pathlib.Path) -> sqlite3.Connection:
  """Opens a copy in memory of a store that is there: no file is changed.

  An ordinary connection cannot promise that, not even for reading: it leaves
  the files of the write-ahead log behind, and brings old tables up to date.

  Args:
    path: the file; others may be writing to it.

  Returns:
    A connection to what the file held at one moment.

  Raises:
    errors.UserError: the file cannot be opened, or is something else.
  """
  # Without a log nobody has the file open; with one, its owner's locks count.
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
  """Leaves no connection open to a file that turns out to be unusable."""
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
  """Leaves a file with our tables, in one transaction."""
  if _version(connection, path) == VERSION:
    return
  connection.execute('BEGIN IMMEDIATE')
  # Another process may have been faster.
  version = _version(connection, path)
  for statements in (_SCHEMA, _SINCE_2, _SINCE_3)[version:]:
    for statement in statements:
      connection.execute(statement)
  connection.execute(f'PRAGMA user_version = {VERSION}')
  connection.execute('COMMIT')


def _version(connection: sqlite3.Connection, path: pathlib.Path) -> int:
  """The version of the tables; 0 for an empty file."""
  (version,) = connection.execute('PRAGMA user_version').fetchone()
  found = {
    name
    for (name,) in connection.execute(
      "SELECT name FROM sqlite_master WHERE type = 'table'"
    )
  }
  if not found and not version:
    return 0
  if not found >= _TABLES:
    raise errors.UserError(
      f'{path} is an SQLite file but not an annotation store (no table '
      f'{min(_TABLES - found)}); move it away or use another workdir'
    )
  if not 1 <= version <= VERSION:
    raise errors.UserError(
      f'{path} has version {version} of the annotation store but this program '
      f'reads versions up to {VERSION}; use the program that wrote it'
    )
  return version


def _unusable(path: pathlib.Path, error: Exception) -> errors.UserError:
  return errors.UserError(
    f'{path} cannot be opened as an annotation store: {error}; it must be a '
    'file that this program wrote, in a folder that can be written'
  )
