"""What is read of an annotation store."""

from collections.abc import Iterator

import numpy as np

from pointsup_jax.annotation import database, queries, records


class Reading:
  """Reads an open store; see `store.Store`."""

  def __init__(self, open_database: database.Database) -> None:
    self.database = open_database
    self._query = open_database.query

  def images(self, round: int = 1) -> set[str]:
    """Returns the images that a round scored, with or without requests."""
    rows = self._query('SELECT image FROM scored WHERE round = ?', round)
    return {image for (image,) in rows}

  def patch_scores(self, round: int) -> dict[str, np.ndarray]:
    """Returns a round's patch scores of each image: [P] float32."""
    rows = self._query(
      'SELECT image, patches FROM scored WHERE round = ?', round
    )
    return {image: np.frombuffer(blob, '<f4') for image, blob in rows}

  def asked_before(self, round: int) -> dict[str, dict[int, int]]:
    """Returns the points that earlier rounds asked, by image and patch."""
    rows = self._query(
      'SELECT image, patch, count(*) FROM requests'
      ' WHERE round BETWEEN 1 AND ? GROUP BY image, patch',
      round - 1,
    )
    found: dict[str, dict[int, int]] = {}
    for image, patch, points in rows:
      found.setdefault(image, {})[patch] = points
    return found

  def requests(self, image: str | None = None) -> list[records.Request]:
    """Returns all requests, or those of one image, in insertion order."""
    where, values = ('', ()) if image is None else ('WHERE image = ?', (image,))
    return self._requests(f'FROM requests {where} ORDER BY rowid', *values)

  def each_request(self) -> Iterator[records.Request]:
    """Yields all requests in insertion order, without keeping them."""
    rows = self.database.rows(
      f'SELECT {queries.FIELDS} FROM requests ORDER BY rowid'
    )
    return map(records.Request._make, rows)

  def request(self, request: str) -> records.Request:
    """Returns a request by its id; raises ValueError if there is none."""
    found = self._requests('FROM requests WHERE id = ?', request)
    if not found:
      raise ValueError(f'there is no request {request!r}')
    return found[0]

  def unanswered(self) -> list[records.Request]:
    """Returns requests without an answer, most valuable first.

    Images are ordered by mean score, an image's points as they were asked:
    wherever people stop, they keep what the choice of points had in mind, such
    as turns of classes. Skipped requests come last.
    """
    return self._requests(
      "FROM state WHERE answer IS NULL OR answer = 'skip'"
      ' ORDER BY answer IS NOT NULL, image_score DESC, image, position'
    )

  def ordered(self) -> list[records.Request]:
    """Returns all requests, ordered by value regardless of answers."""
    return self._requests(
      'FROM requests JOIN (SELECT image, score AS image_score FROM images)'
      ' USING (image)'
      ' ORDER BY image_score DESC, image, requests.rowid'
    )

  def _requests(self, rest: str, *values: object) -> list[records.Request]:
    rows = self._query(f'SELECT {queries.FIELDS} {rest}', *values)
    return [records.Request(*row) for row in rows]

  def sizes(self) -> dict[str, tuple[int, int]]:
    """Returns the (height, width) that each image's requests refer to."""
    rows = self._query('SELECT image, height, width FROM images')
    return {image: (height, width) for image, height, width in rows}

  def pixels(self) -> int:
    """Returns the number of pixels of all images."""
    ((found,),) = self._query(
      'SELECT ifnull(sum(height * width), 0) FROM images'
    )
    return found

  def newest_round(self) -> int:
    """Returns the last round that asked for points, 0 if there is none."""
    ((found,),) = self._query('SELECT ifnull(max(round), 0) FROM requests')
    return found

  def asked_images(self) -> list[str]:
    """Returns the images with requests, most valuable first."""
    rows = self._query(
      'SELECT image FROM tallies WHERE points > 0 ORDER BY score DESC, image'
    )
    return [image for (image,) in rows]

  def answers_by_person(
    self, request: str | None = None
  ) -> list[records.PersonAnswer]:
    """Returns standing answers to all requests or one, oldest first."""
    point = '(SELECT rowid FROM requests WHERE id = ?)'
    where = '' if request is None else f'WHERE point = {point}'
    rows = self._query(
      f'SELECT {queries.PERSON_ANSWER} FROM said JOIN answers USING (seq)'
      f' {where} ORDER BY said.seq',
      *(() if request is None else (request,)),
    )
    return [records.PersonAnswer(*row) for row in rows]

  def has_key(self, key: str) -> bool:
    """Whether an answer with this key was recorded."""
    return bool(self._query('SELECT 1 FROM answers WHERE key = ?', key))

  def answered(
    self, image: str, round: int | None = None, last: int | None = None
  ) -> records.Answers:
    """Returns the current answers of an image, in the order of its requests.

    `round` is the last round to include, `last` the last seq; None: all.
    """
    ((newest,),) = self._query('SELECT ifnull(max(seq), 0) FROM answers')
    rows = self._query(
      queries.ANSWERED,
      image=image,
      round=2**31 if round is None else round,
      last=newest if last is None else last,
    )
    table = np.array(rows, np.int32).reshape(-1, 3)
    return records.Answers(
      table[:, 0], table[:, 1], table[:, 2].astype(np.uint8)
    )

  def answers_since(self, round: int, seq: int = 0) -> tuple[int, int]:
    """The highest seq after one, and the points answered since, to `round`."""
    (row,) = self._query(
      'SELECT ifnull(max(seq), 0), count(DISTINCT request_id)'
      ' FROM answers JOIN requests ON id = request_id'
      " WHERE round <= ? AND seq > ? AND answer != 'skip'",
      *(round, seq),
    )
    return row

  def counts(self) -> records.Counts:
    """Counts images, requests and answered requests."""
    (row,) = self._query(
      'SELECT (SELECT count(*) FROM images), points, answered FROM totals'
    )
    return records.Counts(*row)

  def spent(self) -> tuple[int, float]:
    """Returns the number of answered points, and the seconds of what holds."""
    (row,) = self._query(
      'SELECT count(*), ifnull(sum(seconds), 0.0) FROM held'
      ' JOIN answers ON answers.seq = held.seq WHERE given > 0'
    )
    return row

  def count_by_others(self, annotator: str) -> int:
    """Counts standing labels and 'unsure' by others than `annotator`.

    Answers given on the page always count.
    """
    ((count,),) = self._query(
      'SELECT count(*) FROM said JOIN answers USING (seq)'
      " WHERE said.answer != 'skip'"
      ' AND (said.annotator != ? OR mode IS NOT NULL)',
      annotator,
    )
    return count

  def current_answers(
    self, image: str | None = None
  ) -> dict[str, records.Entry]:
    """Returns the answer that holds for each answered request, by id.

    `image` limits them to one; None: all.
    """
    rows = self._query(
      'SELECT id, answer, label, annotator, seconds FROM state'
      " WHERE answer IN ('label', 'unsure')"
      + ('' if image is None else ' AND image = ?'),
      *(() if image is None else (image,)),
    )
    return {row[0]: records.Entry(*row) for row in rows}
