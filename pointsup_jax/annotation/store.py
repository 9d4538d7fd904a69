"""Every requested point and every answer, in one SQLite file.

Answers are only ever appended. Of each annotator's answers to a point the
latest that was not undone stands; of those that stand the latest holds, unless
a dispute was settled. Each is on disk before its method returns, and several
processes may have the file open. `SELECT * FROM points` shows what holds.
"""

import contextlib
import datetime
import pathlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing

from pointsup_jax import errors
from pointsup_jax.annotation import records, schema
from pointsup_jax.hosts import lock
from pointsup_jax.types import IGNORE

_FIELDS = 'id, image, row, col, patch, score, pseudo_label, round, model_step'
_OF_REQUESTS = _FIELDS.replace('score', 'requests.score')


_UNSPECIFIED = records.How()


def sole_writer(
  path: pathlib.Path,
) -> contextlib.AbstractContextManager[bool]:
  """Nobody else takes answers into a store while the block runs.

  A page that is served has read the store: it would neither see what another
  command records meanwhile nor know that the store is gone.

  Args:
    path: of the store, whose folder must exist.

  Raises:
    errors.UserError: somebody does.
  """
  return lock.held(
    path.with_suffix('.lock'),
    'takes answers to these points; if it serves the page, open its link, or '
    'stop it first',
  )


class Store:
  """An open annotation store; use it in a `with` statement.

  One for each thread: connections of SQLite are not shared.
  """

  def __init__(
    self,
    path: pathlib.Path | str,
    num_classes: int = IGNORE,
    connect: Callable[[pathlib.Path], sqlite3.Connection] = schema.connect,
  ):
    """Opens the store, or creates an empty one.

    Args:
      path: the file; its folder must exist.
      num_classes: answers name classes below this one, or 255.
      connect: `schema.connect`, or `schema.connect_to_copy` to look only.

    Raises:
      errors.UserError: the file cannot be opened or is something else.
    """
    self.path = pathlib.Path(path)
    self._num_classes = num_classes
    self._connection = connect(self.path)

  def __enter__(self) -> 'Store':
    return self

  def __exit__(self, *unused: object) -> None:
    self.close()

  def close(self) -> None:
    """Closes the file."""
    self._connection.close()

  def add_image(
    self,
    image: str,
    size: tuple[int, int],
    scores: np.typing.ArrayLike,
    requests: Sequence[records.Request],
    round: int = 1,
  ) -> bool:
    """Records what a round thinks of an image, with all requests, or nothing.

    An image that the round has seen already keeps its requests, which may have
    answers: adding it again changes nothing.

    Args:
      image: its name.
      size: height and width in which the requests count.
      scores: [P], of its patches; images with a higher mean are asked about
        first.
      requests: of this image and round; may be empty.
      round: of questions, from 1.

    Returns:
      Whether the image was new to the round.
    """
    scores = np.asarray(scores, '<f4')
    with self._transaction() as connection:
      if self._query(
        'SELECT 1 FROM scored WHERE round = ? AND image = ?', round, image
      ):
        return False
      connection.execute(
        'INSERT INTO images VALUES (?, ?, ?, ?)'
        ' ON CONFLICT (image) DO UPDATE SET score = excluded.score',
        (image, float(scores.mean()), int(size[0]), int(size[1])),
      )
      connection.execute(
        'INSERT INTO scored VALUES (?, ?, ?)', (round, image, scores.tobytes())
      )
      _insert(connection, requests)
    return True

  def add_round(self, round: int, requests: Sequence[records.Request]) -> None:
    """Records a round's requests, of images that are known, or nothing.

    A round that has requests keeps them: adding it again changes nothing.
    """
    with self._transaction() as connection:
      if not self._query(
        'SELECT 1 FROM requests WHERE round = ? LIMIT 1', round
      ):
        _insert(connection, requests)

  def images(self, round: int = 1) -> set[str]:
    """The images that a round has scored, with or without requests."""
    rows = self._query('SELECT image FROM scored WHERE round = ?', round)
    return {image for (image,) in rows}

  def patch_scores(self, round: int) -> dict[str, np.ndarray]:
    """The scores that a round gave the patches of each image: [P] float32."""
    rows = self._query(
      'SELECT image, patches FROM scored WHERE round = ?', round
    )
    return {image: np.frombuffer(blob, '<f4') for image, blob in rows}

  def asked_before(self, round: int) -> dict[str, set[int]]:
    """The patches that earlier rounds have asked about, by image."""
    rows = self._query(
      'SELECT DISTINCT image, patch FROM requests WHERE round < ?', round
    )
    found: dict[str, set[int]] = {}
    for image, patch in rows:
      found.setdefault(image, set()).add(patch)
    return found

  def requests(self, image: str | None = None) -> list[records.Request]:
    """All requests, or those of one image, in the order they were added."""
    where, values = ('', ()) if image is None else ('WHERE image = ?', (image,))
    rows = self._query(
      f'SELECT {_FIELDS} FROM requests {where} ORDER BY rowid', *values
    )
    return [records.Request(*row) for row in rows]

  def unanswered(self) -> list[records.Request]:
    """Requests without an answer, those worth most first.

    Images by mean score, patches by score, points from left to right; skipped
    requests come after all others.
    """
    rows = self._query(
      f'SELECT {_FIELDS} FROM state'
      " WHERE answer IS NULL OR answer = 'skip'"
      ' ORDER BY answer IS NOT NULL, image_score DESC, image,'
      ' score DESC, patch, col, row'
    )
    return [records.Request(*row) for row in rows]

  def ordered(self) -> list[records.Request]:
    """All requests, answered or not, in the order of `unanswered`."""
    rows = self._query(
      f'SELECT {_OF_REQUESTS} FROM requests JOIN images USING (image)'
      ' ORDER BY images.score DESC, image, requests.score DESC, patch, col, row'
    )
    return [records.Request(*row) for row in rows]

  def sizes(self) -> dict[str, tuple[int, int]]:
    """Height and width in which the requests of each image count."""
    rows = self._query('SELECT image, height, width FROM images')
    return {image: (height, width) for image, height, width in rows}

  def answers_by_person(
    self, request: str | None = None
  ) -> list[records.PersonAnswer]:
    """What every annotator says, of all requests or one; the oldest first."""
    where = '' if request is None else 'WHERE request_id = ?'
    rows = self._query(
      'SELECT seq, request_id, annotator, answer, label, active_seconds, mode,'
      f' seconds FROM ({schema.answers_by_person(where)}) ORDER BY seq',
      *(() if request is None else (request,)),
    )
    return [records.PersonAnswer(*row) for row in rows]

  def has_key(self, key: str) -> bool:
    """Whether an answer with this key was recorded."""
    return bool(self._query('SELECT 1 FROM answers WHERE key = ?', key))

  def leases(self) -> list[records.Lease]:
    """The points in somebody's hands, expired or not."""
    rows = self._query('SELECT request_id, annotator, expires FROM leases')
    return [records.Lease(*row) for row in rows]

  def lease(self, leases: Sequence[records.Lease]) -> None:
    """Puts points in somebody's hands, or keeps them there for longer.

    A power cut may lose this, unlike answers, and nothing with it: the point is
    handed out anew. So nobody waits for the disk.
    """
    self._query('PRAGMA synchronous = NORMAL')
    try:
      with self._transaction() as connection:
        connection.executemany(
          'INSERT INTO leases VALUES (?, ?, ?)'
          ' ON CONFLICT (request_id, annotator)'
          ' DO UPDATE SET expires = excluded.expires',
          leases,
        )
    finally:
      self._query('PRAGMA synchronous = FULL')

  def asked_patches(self, image: str, round: int | None = None) -> set[int]:
    """The patches of an image that have requests, up to a round or of all."""
    rows = self._query(
      'SELECT patch FROM requests'
      ' WHERE image = ? AND round <= ifnull(?, round)',
      image,
      round,
    )
    return {patch for (patch,) in rows}

  def answered(self, image: str, round: int | None = None) -> records.Answers:
    """The current answers of an image, in the order of its requests.

    Args:
      image: its name.
      round: the last one whose requests count; None: all do.
    """
    rows = self._query(
      f'SELECT row, col, coalesce(label, {IGNORE}) FROM state'
      " WHERE image = ? AND answer IN ('label', 'unsure')"
      ' AND round <= ifnull(?, round) ORDER BY position',
      image,
      round,
    )
    table = np.array(rows, np.int32).reshape(-1, 3)
    return records.Answers(
      table[:, 0], table[:, 1], table[:, 2].astype(np.uint8)
    )

  def counts(self) -> records.Counts:
    """The number of images, requests and answered requests."""
    (row,) = self._query(
      'SELECT (SELECT count(*) FROM images), (SELECT count(*) FROM requests),'
      " (SELECT count(*) FROM state WHERE answer IN ('label', 'unsure'))"
    )
    return records.Counts(*row)

  def answer(
    self,
    request: str,
    label: int,
    annotator: str,
    seconds: float | None = None,
    how: records.How = _UNSPECIFIED,
  ) -> bool:
    """Records a label; it replaces an earlier one.

    Args:
      request: id of the request.
      label: 0..C-1, or 255 where the pixel shows none of the classes.
      annotator: who says so.
      seconds: how long that took.
      how: what else is known of it.

    Returns:
      Whether it was recorded; False if an answer with its key was before.

    Raises:
      ValueError: there is no such request or label.
    """
    return self._append(
      [(request, 'label', int(label), annotator, seconds, how)]
    )

  def record(self, entries: Sequence[records.Entry]) -> None:
    """Records answers of any kind, all of them or none; see `answer`."""
    self._append([(*entry, _UNSPECIFIED) for entry in entries])

  def count_but_by(self, annotator: str) -> int:
    """How many answers stand that somebody else than `annotator` has given.

    Those given on the page count whatever name they were given under.
    """
    ((count,),) = self._query(
      'SELECT count(*) FROM answers_by_person'
      " WHERE answer IN ('label', 'unsure')"
      ' AND (annotator != ? OR mode IS NOT NULL)',
      annotator,
    )
    return count

  def current_answers(self) -> dict[str, records.Entry]:
    """The answer that holds for each answered request, by its id."""
    rows = self._query(
      'SELECT id, answer, label, annotator, seconds FROM state'
      " WHERE answer IN ('label', 'unsure')"
    )
    return {row[0]: records.Entry(*row) for row in rows}

  def answer_many(
    self,
    labels: Mapping[str, int],
    annotator: str,
    seconds: float | None = None,
  ) -> None:
    """Records labels by request id, all of them or none; see `answer`."""
    self._append(
      [
        (request, 'label', int(label), annotator, seconds, _UNSPECIFIED)
        for request, label in labels.items()
      ]
    )

  def mark(
    self,
    request: str,
    answer: str,
    annotator: str,
    seconds: float | None = None,
    how: records.How = _UNSPECIFIED,
  ) -> bool:
    """Records an answer that is no label.

    Args:
      request: id of the request.
      answer: 'unsure' (an answer: stage 3 ignores the point), 'skip' (ask
        again later) or 'undo' (the annotator's answer before the current one
        stands again).
      annotator: who says so.
      seconds: how long that took.
      how: what else is known of it.

    Returns:
      Whether it was recorded; False if an answer with its key was before.

    Raises:
      ValueError: there is no such request or answer, or nothing to undo.
    """
    if answer not in ('unsure', 'skip', 'undo'):
      raise ValueError(f'{answer!r} is not one of unsure, skip, undo')
    return self._append([(request, answer, None, annotator, seconds, how)])

  def _append(self, answers: list[tuple]) -> bool:
    """Adds rows of request id, answer, label, annotator, seconds and How."""
    now = datetime.datetime.now(datetime.UTC)
    time = now.isoformat(timespec='milliseconds').replace('+00:00', 'Z')
    with self._transaction() as connection:
      for request, answer, label, annotator, seconds, how in answers:
        if how.key is not None and self.has_key(how.key):
          return False
        self._check(request, answer, label, annotator)
        connection.execute(
          'INSERT INTO answers (request_id, answer, label, annotator, seconds,'
          ' time, active_seconds, mode, key)'
          ' VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
          (request, answer, label, annotator, seconds, time, *how),
        )
    return True

  def _check(
    self, request: str, answer: str, label: int | None, annotator: str
  ) -> None:
    """Raises ValueError for what must not be recorded."""
    if label not in (None, IGNORE, *range(self._num_classes)):
      raise ValueError(
        f'label {label} of {request} is neither a class'
        f' (0..{self._num_classes - 1}) nor {IGNORE}'
      )
    if not self._query('SELECT 1 FROM requests WHERE id = ?', request):
      raise ValueError(f'{self.path} has no request {request!r}')
    if answer == 'undo' and not any(
      given.annotator == annotator for given in self.answers_by_person(request)
    ):
      raise ValueError(f'{annotator} has no answer to undo at {request}')

  def _query(self, sql: str, *values: object) -> list[tuple]:
    with self._reported():
      return self._connection.execute(sql, values).fetchall()

  @contextlib.contextmanager
  def _transaction(self) -> Iterator[sqlite3.Connection]:
    """Commits what happens within, or takes it back if that fails."""
    with self._reported():
      self._connection.execute('BEGIN IMMEDIATE')
      try:
        yield self._connection
        self._connection.execute('COMMIT')
      except BaseException:
        if self._connection.in_transaction:
          self._connection.execute('ROLLBACK')
        raise

  @contextlib.contextmanager
  def _reported(self) -> Iterator[None]:
    """A full disk, a lock held too long or a damaged file, in one line."""
    try:
      yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
      raise
    except sqlite3.DatabaseError as error:
      raise errors.UserError(
        f'{self.path} cannot be read or written: {error}; mend that and run '
        'the same command again'
      ) from error


def _insert(
  connection: sqlite3.Connection, requests: Sequence[records.Request]
) -> None:
  connection.executemany(
    'INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
    [_plain(request) for request in requests],
  )


def _plain(request: records.Request) -> tuple:
  """NumPy's numbers as Python's: SQLite would store their bytes."""
  return tuple(x.item() if isinstance(x, np.generic) else x for x in request)
