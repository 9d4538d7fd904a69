"""Tables of the annotation store, and opening its file."""

import contextlib
import functools
import pathlib
import sqlite3
from collections.abc import Iterator

from pointsup_jax import errors
from pointsup_jax.annotation import queries

VERSION = 6
_BEFORE_COMMENTS = 5  # as VERSION, without `_COMMENTS`
_TABLES = {'images', 'requests', 'answers'}
_BUSY_SECONDS = 30.0

_COMMENTS = (
  """CREATE TABLE comments (
    seq INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL REFERENCES requests (id),
    annotator TEXT NOT NULL,
    text TEXT NOT NULL,       -- of the same person and point, the latest stands
    time TEXT NOT NULL,       -- when it was given: ISO 8601, UTC
    key TEXT                  -- as that of an answer
  )""",
  'CREATE INDEX comments_on_request ON comments (request_id, annotator)',
  'CREATE UNIQUE INDEX comments_by_key ON comments (key)',
  """CREATE TRIGGER comments_stay BEFORE UPDATE ON comments
    BEGIN SELECT raise(ABORT, 'comments are only ever appended'); END""",
  """CREATE TRIGGER comments_remain BEFORE DELETE ON comments
    BEGIN SELECT raise(ABORT, 'comments are only ever appended'); END""",
)
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
    round INTEGER NOT NULL,   -- 0: asked elsewhere, added with its answers
    model_step INTEGER NOT NULL
  )""",
  'CREATE INDEX requests_of_image ON requests (image)',
  # Positions in every patch of an image: of questions and of guesses.
  """CREATE TABLE drawn (
    image TEXT PRIMARY KEY,
    points BLOB NOT NULL      -- int16 rows and columns, little-endian
  ) WITHOUT ROWID""",
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
    time TEXT NOT NULL,       -- when it was given: ISO 8601, UTC
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
    since REAL NOT NULL,      -- when first handed out, likewise
    PRIMARY KEY (request_id, annotator)
  ) WITHOUT ROWID""",
  f'CREATE VIEW answers_by_person AS {queries.answers_by_person()}',
  f'CREATE VIEW state AS {queries.state()}',
  """CREATE VIEW points AS
    SELECT image, row, col, patch, score, pseudo_label, label, annotator, time
    FROM state ORDER BY position""",
  *_COMMENTS,
)

# Rows that this program does not write: types and values are checked because
# whoever forges a file can turn off its constraints.
_WRONG = {
  'images': """typeof(image) != 'text' OR typeof(score) != 'real'
    OR typeof(height) != 'integer' OR typeof(width) != 'integer'""",
  'requests': """typeof(id) != 'text' OR typeof(score) != 'real'
    OR typeof(row) != 'integer' OR typeof(col) != 'integer'
    OR typeof(patch) != 'integer' OR patch < 0
    OR typeof(pseudo_label) != 'integer' OR pseudo_label NOT BETWEEN 0 AND 255
    OR typeof(round) != 'integer' OR typeof(model_step) != 'integer'
    OR image IN (SELECT image FROM requests EXCEPT SELECT image FROM images)
    OR row < 0 OR col < 0
    -- Most rows need no look at their own image.
    OR (row >= (SELECT min(height) FROM images)
        OR col >= (SELECT min(width) FROM images))
      AND NOT EXISTS (SELECT 1 FROM images WHERE image = requests.image
        AND row < height AND col < width)""",
  'scored': """typeof(round) != 'integer' OR typeof(image) != 'text'
    OR typeof(patches) != 'blob' OR length(patches) % 4""",
  'drawn': """typeof(image) != 'text'
    OR typeof(points) != 'blob' OR length(points) % 4""",
  'answers': """answer NOT IN ('label', 'unsure', 'skip', 'undo')
    OR (answer = 'label') != (label IS NOT NULL)
    OR label IS NOT NULL AND (typeof(label) != 'integer'
      OR label NOT BETWEEN 0 AND ? - 1 AND label != 255)
    OR typeof(annotator) != 'text' OR typeof(time) != 'text'
    OR ifnull(mode, 'blind') NOT IN ('blind', 'confirm', 'adjudicate')
    OR NOT ifnull(seconds, 0.0) BETWEEN 0 AND 1e9
    OR NOT ifnull(active_seconds, 0.0) BETWEEN 0 AND 1e9
    OR NOT EXISTS (SELECT 1 FROM requests WHERE id = request_id)""",
  'comments': """typeof(annotator) != 'text' OR typeof(text) != 'text'
    OR typeof(time) != 'text' OR length(text) > 500 OR instr(text, char(0))
    OR text GLOB '*[' || char(1) || '-' || char(31) || char(127) || ']*'
    OR NOT EXISTS (SELECT 1 FROM requests WHERE id = request_id)""",
  'leases': """typeof(request_id) != 'text' OR typeof(annotator) != 'text'
    OR typeof(expires) != 'real' OR typeof(since) != 'real'""",
}


def checked(
  connection: sqlite3.Connection, path: pathlib.Path, num_classes: int
) -> sqlite3.Connection:
  """Returns an open store, all of whose rows this program can have written.

  Reads them once, a million answers in 3 s. Labels are below `num_classes`, or
  255.

  Raises:
    errors.UserError: for the first other row; the store is closed.
  """
  with _closed_on_failure(connection, path):
    for table, wrong in _WRONG.items():
      found = connection.execute(
        f'SELECT * FROM {table} WHERE {wrong} LIMIT 1',
        (num_classes,) if '?' in wrong else (),
      ).fetchone()
      if found:
        shown = ', '.join(repr(x)[:40] for x in found[:4])
        raise errors.UserError(
          f'{path}: its table {table} has the row ({shown}, ...), which this '
          f'program cannot have written for {num_classes} classes; restore the '
          'file from a copy'
        )
  return connection


def connect(
  path: pathlib.Path, busy_seconds: float = _BUSY_SECONDS
) -> sqlite3.Connection:
  """Opens a store, or creates an empty one if the file does not exist.

  Each statement is its own transaction unless BEGIN is used; commits are
  durable. The folder of `path` must exist. Waits up to `busy_seconds` for the
  locks of other processes.

  Raises:
    errors.UserError: the file cannot be opened or is not a store.
  """
  try:
    connection = sqlite3.connect(
      path, timeout=busy_seconds, isolation_level=None
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


def copy(path: pathlib.Path, to: pathlib.Path) -> None:
  """Writes a store's whole content to a new file, on disk on return.

  Raises:
    errors.UserError: the file cannot be opened or is not a store.
  """
  with (
    contextlib.closing(connect_to_copy(path)) as content,
    contextlib.closing(sqlite3.connect(to)) as file,
  ):
    content.backup(file)


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
  """Creates the tables that are missing, in one transaction."""
  # Views and triggers of a foreign file must not run what they like.
  connection.execute('PRAGMA trusted_schema = OFF')
  if not _missing(connection, path):
    return
  connection.execute('BEGIN IMMEDIATE')
  # Another process may have created them meanwhile.
  for statement in _missing(connection, path):
    connection.execute(statement)
  connection.execute(f'PRAGMA user_version = {VERSION}')
  connection.execute('COMMIT')


def _missing(
  connection: sqlite3.Connection, path: pathlib.Path
) -> tuple[str, ...]:
  """What makes a file a store; raises UserError if it is another file."""
  (version,) = connection.execute('PRAGMA user_version').fetchone()
  found = {
    name
    for (name,) in connection.execute(
      "SELECT name FROM sqlite_master WHERE type = 'table'"
    )
  }
  if not found and not version:
    return _SCHEMA
  if not found >= _TABLES:
    raise errors.UserError(
      f'{path} is an SQLite file but not an annotation store (no table '
      f'{min(_TABLES - found)}); move it away or use another workdir'
    )
  if version not in (VERSION, _BEFORE_COMMENTS):
    raise errors.UserError(
      f'{path} has version {version} of the annotation store but this program '
      f'reads version {VERSION}; use the program that wrote it'
    )
  missing = _COMMENTS if version == _BEFORE_COMMENTS else ()
  own = _objects_of(_SCHEMA[: len(_SCHEMA) - len(missing)])
  if others := _objects(connection) ^ own:
    raise errors.UserError(
      f'{path} is not as this program makes it: {min(others)[0][:80]!r} was '
      'added, changed or removed; restore the file from a copy, or drop what '
      'you have added'
    )
  return missing


def _objects(connection: sqlite3.Connection) -> frozenset[tuple[str, str]]:
  """Tables, indices, views and triggers with their SQL."""
  return frozenset(
    connection.execute(
      "SELECT type || ' ' || name, sql FROM sqlite_master WHERE NOT"
      # What SQLite adds itself, the latter after ANALYZE.
      " (type = 'index' AND sql IS NULL OR"
      " type = 'table' AND name IN ('sqlite_stat1', 'sqlite_stat4'))"
    )
  )


@functools.cache
def _objects_of(statements: tuple[str, ...]) -> frozenset[tuple[str, str]]:
  with contextlib.closing(sqlite3.connect(':memory:')) as connection:
    for statement in statements:
      connection.execute(statement)
    return _objects(connection)


def _unusable(path: pathlib.Path, error: Exception) -> errors.UserError:
  return errors.UserError(
    f'{path} cannot be opened as an annotation store: {error}; it must be a '
    'file that this program wrote, in a folder that can be written'
  )
