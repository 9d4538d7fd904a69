"""Keeps requested points and answers in one SQLite file.

Answers are append-only and on disk before a method returns; several processes
may have the file open. Each annotator's latest answer to a point that was not
undone stands. Of the standing answers one holds, see `SELECT * FROM points`: an
adjudication of a dispute, else the page's latest, else the first imported one.
"""

import pathlib
import sqlite3
import time as clock
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing

from pointsup_jax.annotation import (
  database,
  inserting,
  leases,
  reading,
  records,
  schema,
  state,
)
from pointsup_jax.types import IGNORE

_UNSPECIFIED = records.How()


class Store(reading.Reading):
  """An open annotation store; use it in a `with` statement.

  Open one per thread: SQLite connections are not shared.
  """

  def __init__(
    self,
    path: pathlib.Path | str,
    num_classes: int = IGNORE,
    connect: Callable[[pathlib.Path], sqlite3.Connection] = schema.connect,
    *,
    check: bool = True,
  ):
    """Opens the store, or creates an empty one in an existing folder.

    Labels must be below `num_classes`, or 255. `connect` may also be
    `schema.connect_to_copy`, to only read. `check` reads all rows, see
    `schema.checked`: without it, do not rely on what is read.

    Raises:
      errors.UserError: the file cannot be opened or is not one of ours.
    """
    self.path = pathlib.Path(path)
    self._num_classes = num_classes

    def connected() -> sqlite3.Connection:
      found = connect(self.path)
      return schema.checked(found, self.path, num_classes) if check else found

    super().__init__(database.Database(self.path, connected))
    self._transaction = self.database.transaction
    self.leases = leases.Leases(self.database)

  def __enter__(self) -> 'Store':
    return self

  def __exit__(self, *unused: object) -> None:
    self.close()

  def close(self) -> None:
    """Closes the file."""
    self.database.close()

  def add_image(
    self,
    image: str,
    size: tuple[int, int],
    scores: np.typing.ArrayLike,
    requests: Sequence[records.Request],
    round: int = 1,
  ) -> bool:
    """Records an image's scores and requests of a round in one transaction.

    Returns False, changing nothing, if the round has the image: its requests
    may have answers.

    Args:
      size: (height, width) that the requests refer to.
      scores: [P] of its patches; images with a higher mean are asked first.
      requests: of this image and round; may be empty.
      round: from 1.
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
      inserting.requests(connection, requests)
    return True

  def ask(self, requests: Sequence[records.Request]) -> None:
    """Records requests, of known images, all or none."""
    with self._transaction() as connection:
      inserting.requests(connection, requests)

  def ask_twice(self, overlap: float) -> None:
    """Asks two people about a share of the points, 0 to 1.

    Passes all points only if the share was another one before.
    """
    below = overlap * 2**32
    if self._query('SELECT below FROM totals') != [(below,)]:
      with self._transaction() as connection:
        state.ask_twice(connection, below)

  def answer(
    self,
    request: str,
    label: int,
    annotator: str,
    seconds: float | None = None,
    how: records.How = _UNSPECIFIED,
    time: float | None = None,
  ) -> bool:
    """Records a label: 0..C-1, or 255 for none of the classes.

    It replaces an earlier one, unless the same person gave that after `time`
    (seconds since 1970; None: now). Returns False, recording nothing, if an
    answer with the key in `how` was recorded before.

    Raises:
      ValueError: unknown request or invalid label.
    """
    return self._append(
      [(request, 'label', int(label), annotator, seconds, how)], time
    )

  def record(
    self,
    entries: Sequence[records.Entry],
    requests: Sequence[records.Request] = (),
  ) -> None:
    """Adds requests and answers of any kind, all or none; see `answer`."""
    self._append(
      [(*entry, _UNSPECIFIED) for entry in entries], requests=requests
    )

  def answer_many(
    self,
    labels: Mapping[str, int],
    annotator: str,
    seconds: float | None = None,
  ) -> None:
    """Records labels by request id in one transaction; see `answer`."""
    entries = [
      records.Entry(request, 'label', int(label), annotator, seconds)
      for request, label in labels.items()
    ]
    self.record(entries)

  def mark(
    self,
    request: str,
    answer: str,
    annotator: str,
    seconds: float | None = None,
    how: records.How = _UNSPECIFIED,
    time: float | None = None,
  ) -> bool:
    """Records an answer other than a label; returns as `answer` does.

    'unsure' is an answer: stage 3 ignores the point. 'skip' asks again later.
    'undo' restores the annotator's previous answer.

    Raises:
      ValueError: unknown request or answer, or nothing to undo.
    """
    if answer not in ('unsure', 'skip', 'undo'):
      raise ValueError(f'{answer!r} is not one of unsure, skip, undo')
    row = (request, answer, None, annotator, seconds, how)
    return self._append([row], time)

  def _append(
    self,
    answers: list[tuple],
    given: float | None = None,
    requests: Sequence[records.Request] = (),
  ) -> bool:
    """Adds rows of request id, answer, label, annotator, seconds and How."""
    now = records.timestamp(clock.time())
    time = now if given is None else min(records.timestamp(given), now)
    with self._transaction() as connection:
      inserting.requests(connection, requests)
      for request, answer, label, annotator, seconds, how in answers:
        if how.key is not None and self.has_key(how.key):
          return False
        self._check(request, answer, label, annotator)
        late = given and self._answered_between(request, annotator, time, now)
        if late and answer == 'undo':
          return False  # what it took back has been replaced since
        row = (request, answer, label, annotator, seconds, time, *how)
        connection.execute(inserting.ANSWER, row)
        if late:  # it is kept, and the one given after it stands
          undo = (request, 'undo', None, annotator, None, now, None, None, None)
          connection.execute(inserting.ANSWER, undo)
    return True

  def _answered_between(self, request: str, annotator: str, *time: str) -> bool:
    """Whether a person's standing answer was given between two times.

    One of the future was given before the clock was set back.
    """
    rows = self._query(
      'SELECT time FROM said JOIN answers USING (seq)'
      ' WHERE point = (SELECT rowid FROM requests WHERE id = ?)'
      ' AND said.annotator = ?',
      *(request, annotator),
    )
    return any(time[0] < given <= time[1] for (given,) in rows)

  def _check(
    self, request: str, answer: str, label: int | None, annotator: str
  ) -> None:
    if label not in (None, IGNORE, *range(self._num_classes)):
      classes = f'a class (0..{self._num_classes - 1})'
      raise ValueError(
        f'label {label} of {request} is neither {classes} nor 255'
      )
    if not self._query('SELECT 1 FROM requests WHERE id = ?', request):
      raise ValueError(f'{self.path} has no request {request!r}')
    if answer == 'undo' and not any(
      given.annotator == annotator for given in self.answers_by_person(request)
    ):
      raise ValueError(f'{annotator} has no answer to undo at {request}')
