"""The state of every point, which SQLite keeps as questions and answers come.

All of it follows from the tables in `tables`. Triggers bring it up to date in
the transaction that adds an answer, so that nothing has to read all points: the
queue, progress, agreement and effort are look-ups. `build` makes it anew.
"""

import sqlite3
import zlib
from collections.abc import Iterable

from pointsup_jax.annotation import queries

_TABLES = (
  """CREATE TABLE totals (
    below REAL NOT NULL,      -- two people are asked where `draw` is less
    points INTEGER NOT NULL,
    needed INTEGER NOT NULL,  -- answers
    given INTEGER NOT NULL,   -- of those
    answered INTEGER NOT NULL,  -- points that have a label or 'unsure'
    disputed INTEGER NOT NULL,  -- points
    -- What was counted: a file with more, or less, is counted anew.
    last_point INTEGER NOT NULL,
    last_answer INTEGER NOT NULL
  )""",
  # Each person's standing answer to each point.
  """CREATE TABLE said (
    point INTEGER NOT NULL,   -- rowid of its request
    annotator TEXT NOT NULL,
    seq INTEGER NOT NULL,     -- in `answers`
    answer TEXT NOT NULL,     -- never 'undo'
    label INTEGER,
    settles INTEGER NOT NULL, -- whether it adjudicates
    PRIMARY KEY (point, annotator)
  ) WITHOUT ROWID""",
  """CREATE TABLE held (
    point INTEGER PRIMARY KEY,  -- rowid of its request
    draw INTEGER NOT NULL,    -- 0 to 2^32 - 1, from its id
    review INTEGER NOT NULL,  -- another such draw
    needed INTEGER NOT NULL,  -- answers, 1 or 2
    given INTEGER NOT NULL,   -- labels and 'unsure' that stand
    skipped INTEGER,          -- seq of the latest skip that stands
    half TEXT,                -- who alone has answered, where two should
    disputed INTEGER NOT NULL,  -- labels differ, and nobody has settled it
    seq INTEGER               -- of the answer that holds
  )""",
  # Sums over the points of an image.
  """CREATE TABLE tallies (
    image TEXT PRIMARY KEY,
    score REAL NOT NULL,      -- as in `images`
    points INTEGER NOT NULL,
    patches INTEGER NOT NULL, -- with points
    worth REAL NOT NULL,      -- of the points' scores
    needed INTEGER NOT NULL,  -- answers
    given INTEGER NOT NULL,   -- of those
    fresh INTEGER NOT NULL    -- points that nobody has answered or skipped
  ) WITHOUT ROWID""",
  # Points with `half`, in the order in which they are asked.
  """CREATE TABLE halves (
    annotator TEXT NOT NULL,
    score REAL NOT NULL,      -- of the image
    image TEXT NOT NULL,
    point INTEGER NOT NULL,
    PRIMARY KEY (annotator, score DESC, image, point)
  ) WITHOUT ROWID""",
  # How often two people gave which labels to the same points.
  """CREATE TABLE agreed (
    one TEXT NOT NULL,        -- comes before `two`
    two TEXT NOT NULL,
    label_one INTEGER NOT NULL,
    label_two INTEGER NOT NULL,
    points INTEGER NOT NULL,
    PRIMARY KEY (one, two, label_one, label_two)
  ) WITHOUT ROWID""",
  # How many labels and 'unsure' of a person took how long.
  """CREATE TABLE timed (
    annotator TEXT NOT NULL,
    unsure INTEGER NOT NULL,
    milliseconds INTEGER NOT NULL,  -- without pauses where known; -1: unknown
    answers INTEGER NOT NULL,
    PRIMARY KEY (annotator, unsure, milliseconds)
  ) WITHOUT ROWID""",
)
_INDICES = (
  'CREATE INDEX said_by ON said (annotator, seq, answer, label)',
  """CREATE UNIQUE INDEX tallies_fresh ON tallies (score DESC, image)
    WHERE fresh > 0""",
  """CREATE INDEX held_later ON held (skipped)
    WHERE skipped IS NOT NULL AND given < needed""",
  'CREATE INDEX held_disputed ON held (point) WHERE disputed',
  'CREATE INDEX held_to_review ON held (review) WHERE given > 0',
)

_HALF = """CASE WHEN given = 1 AND needed = 2 AND skipped IS NULL THEN
  (SELECT annotator FROM said WHERE said.point = held.point
    AND answer != 'skip') END"""
_NEEDED = """1 + (draw < (SELECT below FROM totals) AND
  (SELECT round FROM requests WHERE requests.rowid = point) > 0)"""
# From what was said about a point.
_FOLLOW = (
  f"""UPDATE held SET
    (given, skipped, disputed) = (
      SELECT count(*) FILTER (WHERE answer != 'skip'),
        max(seq) FILTER (WHERE answer = 'skip'),
        count(DISTINCT label) FILTER (WHERE NOT settles) > 1
          AND NOT max(settles)
      FROM said WHERE said.point = held.point),
    seq = ({queries.holds('said.point = held.point')})""",
  f'UPDATE held SET half = {_HALF}',
)
_MILLISECONDS = """ifnull(CAST(round(
  1000 * ifnull(active_seconds, seconds)) AS INTEGER), -1)"""
_IS_FRESH = 'given = 0 AND skipped IS NULL'


def _both_labels(which: str) -> str:
  """A query for two people's labels of a point, where one is `which`.

  That is NEW or OLD, a row of `said`.
  """
  return f"""
    SELECT min({which}.annotator, annotator), max({which}.annotator, annotator),
      CASE WHEN {which}.annotator < annotator THEN {which}.label ELSE label END,
      CASE WHEN {which}.annotator < annotator THEN label ELSE {which}.label END
    FROM said WHERE point = {which}.point AND annotator != {which}.annotator
      AND answer = 'label' AND NOT settles
      AND {which}.answer = 'label' AND NOT {which}.settles"""


def _tally(row: str, sign: str) -> str:
  """Adds a row of `held`, OLD or NEW, to the sums, or takes it away."""
  return f"""
    UPDATE totals SET needed = needed {sign} {row}.needed,
      given = given {sign} min({row}.given, {row}.needed),
      answered = answered {sign} ({row}.given > 0),
      disputed = disputed {sign} {row}.disputed;
    UPDATE tallies SET needed = needed {sign} {row}.needed,
      given = given {sign} min({row}.given, {row}.needed),
      fresh = fresh {sign} ({row}.given = 0 AND {row}.skipped IS NULL)
      WHERE image = (SELECT image FROM requests WHERE rowid = {row}.point);"""


_OF_ANSWER = 'point = (SELECT rowid FROM requests WHERE id = NEW.request_id)'
_TRIGGERS = (
  f"""CREATE TRIGGER answers_are_followed AFTER INSERT ON answers BEGIN
    DELETE FROM said WHERE annotator = NEW.annotator AND {_OF_ANSWER};
    INSERT INTO said
      SELECT requests.rowid, annotator, seq, answer, label,
        mode IS 'adjudicate'
      FROM ({
    queries.answers_by_person(
      'WHERE request_id = NEW.request_id AND annotator = NEW.annotator'
    )
  }) JOIN requests ON id = request_id;
    {_FOLLOW[0]} WHERE {_OF_ANSWER};
    {_FOLLOW[1]} WHERE {_OF_ANSWER};
    UPDATE totals SET last_answer = NEW.seq;
  END""",
  f"""CREATE TRIGGER said_is_counted AFTER INSERT ON said BEGIN
    INSERT INTO agreed SELECT *, 1 FROM ({_both_labels('NEW')}) WHERE true
      ON CONFLICT (one, two, label_one, label_two)
      DO UPDATE SET points = points + 1;
    INSERT INTO timed
      SELECT annotator, answer = 'unsure', {_MILLISECONDS}, 1
      FROM answers WHERE seq = NEW.seq AND answer != 'skip'
      ON CONFLICT (annotator, unsure, milliseconds)
      DO UPDATE SET answers = answers + 1;
  END""",
  f"""CREATE TRIGGER said_is_discounted AFTER DELETE ON said BEGIN
    UPDATE agreed SET points = points - 1
      WHERE (one, two, label_one, label_two) IN ({_both_labels('OLD')});
    UPDATE timed SET answers = answers - 1
      WHERE (annotator, unsure, milliseconds) IN (
        SELECT annotator, answer = 'unsure', {_MILLISECONDS}
        FROM answers WHERE seq = OLD.seq AND answer != 'skip');
  END""",
  f"""CREATE TRIGGER held_is_added AFTER INSERT ON held BEGIN
    {_tally('NEW', '+')}
    UPDATE totals SET points = points + 1,
      last_point = max(last_point, NEW.point);
    UPDATE tallies SET points = points + 1
      WHERE image = (SELECT image FROM requests WHERE rowid = NEW.point);
  END""",
  f"""CREATE TRIGGER held_is_tallied
    AFTER UPDATE OF needed, given, skipped, disputed ON held
    WHEN (OLD.needed, OLD.given, OLD.skipped, OLD.disputed)
      IS NOT (NEW.needed, NEW.given, NEW.skipped, NEW.disputed) BEGIN
    {_tally('OLD', '-')}
    {_tally('NEW', '+')}
  END""",
  """CREATE TRIGGER halves_follow AFTER UPDATE OF half ON held
    WHEN OLD.half IS NOT NEW.half BEGIN
    DELETE FROM halves WHERE annotator = OLD.half AND point = OLD.point
      AND image = (SELECT image FROM requests WHERE rowid = OLD.point)
      AND score = (SELECT tallies.score FROM requests JOIN tallies
        USING (image) WHERE requests.rowid = OLD.point);
    INSERT INTO halves SELECT NEW.half, tallies.score, image, NEW.point
      FROM requests JOIN tallies USING (image)
      WHERE requests.rowid = NEW.point AND NEW.half IS NOT NULL;
  END""",
  f"""CREATE TRIGGER requests_are_followed AFTER UPDATE OF round ON requests
    BEGIN
    UPDATE held SET needed = {_NEEDED} WHERE point = NEW.rowid;
    {_FOLLOW[1]} WHERE point = NEW.rowid;
  END""",
  """CREATE TRIGGER images_are_added AFTER INSERT ON images BEGIN
    INSERT INTO tallies VALUES (NEW.image, NEW.score, 0, 0, 0.0, 0, 0, 0);
  END""",
  """CREATE TRIGGER images_are_followed AFTER UPDATE OF score ON images BEGIN
    UPDATE tallies SET score = NEW.score WHERE image = NEW.image;
    UPDATE halves SET score = NEW.score
      WHERE score = OLD.score AND image = NEW.image AND annotator IN (
        SELECT half FROM requests JOIN held ON point = requests.rowid
        WHERE image = NEW.image);
  END""",
)
_VIEWS = (
  f'CREATE VIEW answers_by_person AS {queries.answers_by_person()}',
  f'CREATE VIEW state AS {queries.STATE}',
  """CREATE VIEW points AS
    SELECT image, row, col, patch, score, pseudo_label, label, annotator, time
    FROM state ORDER BY position""",
)
SCHEMA = (*_TABLES, *_INDICES, *_TRIGGERS, *_VIEWS)

# Rows that this program does not write; see `tables.WRONG`. That the state
# follows from the answers is not checked, only that it is of these.
WRONG = {
  'said': """typeof(point) != 'integer' OR typeof(label) NOT IN ('integer',
      'null')
    OR NOT EXISTS (SELECT 1 FROM answers JOIN requests ON id = request_id
      WHERE answers.seq = said.seq AND requests.rowid = point
        AND answers.annotator = said.annotator
        AND answers.answer = said.answer AND answers.label IS said.label)""",
  'held': """typeof(draw) != 'integer' OR typeof(review) != 'integer'
    OR needed NOT IN (1, 2) OR typeof(given) != 'integer'
    OR seq IS NOT NULL AND NOT EXISTS (
      SELECT 1 FROM said WHERE said.point = held.point AND said.seq = held.seq)
    OR NOT EXISTS (SELECT 1 FROM requests WHERE requests.rowid = point)""",
}

_FILL = (
  """INSERT INTO held SELECT rowid, draw(id), draw('review ' || id),
      1 + (draw(id) < (SELECT below FROM totals) AND round > 0),
      0, NULL, NULL, 0, NULL
    FROM requests ORDER BY rowid""",
  f"""INSERT INTO said
    SELECT requests.rowid, annotator, seq, answer, label, mode IS 'adjudicate'
    FROM ({queries.answers_by_person()}) JOIN requests ON id = request_id
    ORDER BY 1, 2""",
  *(f'{x} WHERE point IN (SELECT point FROM said)' for x in _FOLLOW),
  f"""INSERT INTO tallies
    SELECT image, images.score, count(point), count(DISTINCT patch),
      ifnull(sum(requests.score), 0.0), ifnull(sum(needed), 0),
      ifnull(sum(min(given, needed)), 0),
      ifnull(sum(point IS NOT NULL AND {_IS_FRESH}), 0)
    FROM images LEFT JOIN requests USING (image)
      LEFT JOIN held ON point = requests.rowid
    GROUP BY image""",
  """INSERT INTO halves SELECT half, tallies.score, image, point
    FROM held JOIN requests ON point = requests.rowid
      JOIN tallies USING (image)
    WHERE half IS NOT NULL""",
  """INSERT INTO agreed
    SELECT a.annotator, b.annotator, a.label, b.label, count(*)
    FROM said AS a JOIN said AS b USING (point)
    WHERE a.annotator < b.annotator AND a.answer = 'label'
      AND b.answer = 'label' AND NOT a.settles AND NOT b.settles
    GROUP BY 1, 2, 3, 4""",
  f"""INSERT INTO timed
    SELECT answers.annotator, answers.answer = 'unsure', {_MILLISECONDS},
      count(*)
    FROM said JOIN answers USING (seq) WHERE said.answer != 'skip'
    GROUP BY 1, 2, 3""",
  """UPDATE totals SET (points, answered, disputed) = (
      SELECT count(*), ifnull(sum(given > 0), 0), ifnull(sum(disputed), 0)
      FROM held),
    (needed, given) = (
      SELECT ifnull(sum(needed), 0), ifnull(sum(given), 0) FROM tallies),
    last_point = (SELECT ifnull(max(rowid), 0) FROM requests),
    last_answer = (SELECT ifnull(max(seq), 0) FROM answers)""",
)

_ADD = """INSERT INTO held SELECT rowid, ?2, ?3,
    1 + (?2 < (SELECT below FROM totals) AND round > 0), 0, NULL, NULL, 0, NULL
  FROM requests WHERE id = ?1"""
_WORTH = """UPDATE tallies SET (patches, worth) = (
    SELECT count(DISTINCT patch), ifnull(sum(score), 0.0) FROM requests
    WHERE requests.image = tallies.image)
  WHERE image = ?"""
_ASK_TWICE = f"""UPDATE held SET needed = {_NEEDED}
  WHERE (draw < (SELECT below FROM totals)) != (needed = 2)"""


def draw(text: object) -> int:
  """A number from 0 to 2^32 - 1 that depends on the text alone."""
  return zlib.crc32(str(text).encode(errors='replace'))


def is_behind(connection: sqlite3.Connection) -> bool:
  """Whether another program has added points or answers, or deleted the last.

  It must have dropped this program's triggers for that.
  """
  return connection.execute(
    'SELECT last_point = (SELECT ifnull(max(rowid), 0) FROM requests)'
    ' AND last_answer = (SELECT ifnull(max(seq), 0) FROM answers) FROM totals'
  ).fetchone() != (1,)


def build(connection: sqlite3.Connection) -> None:
  """Makes the state from all questions and answers, within a transaction."""
  connection.create_function('draw', 1, draw)
  for kind in ('VIEW', 'TRIGGER', 'TABLE'):
    for statement in SCHEMA:
      words = statement.split(maxsplit=3)
      if words[1] == kind:
        connection.execute(f'DROP {kind} IF EXISTS {words[2]}')
  for statement in _TABLES:
    connection.execute(statement)
  # Whoever opens the queue says how many points two people are asked about.
  connection.execute('INSERT INTO totals VALUES (0, 0, 0, 0, 0, 0, 0, 0)')
  for statement in (*_FILL, *_INDICES, *_TRIGGERS, *_VIEWS):
    connection.execute(statement)


def add(
  connection: sqlite3.Connection, ids: Iterable[str], images: Iterable[str]
) -> None:
  """Adds the state of new requests, by id, in these images."""
  connection.executemany(
    _ADD, [(id, draw(id), draw(f'review {id}')) for id in ids]
  )
  connection.executemany(_WORTH, [(image,) for image in images])


def ask_twice(connection: sqlite3.Connection, below: float) -> None:
  """Asks two people about the points of rounds whose draw is `below` this."""
  connection.execute('UPDATE totals SET below = ?', (below,))
  connection.execute(_ASK_TWICE)
  connection.execute(f'{_FOLLOW[1]} WHERE half IS NOT {_HALF}')
