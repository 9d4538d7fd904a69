"""Comments on points, kept in the annotation store beside the answers.

Comments are append-only too. Each annotator's latest comment on a point stands;
an empty one takes it back. They change no answer.
"""

import time as clock
import unicodedata
from collections.abc import Iterable

from pointsup_jax.annotation import database, inserting, queries, records

LONGEST = 500  # characters
# Control characters, lone surrogates, separators of lines and paragraphs.
_REFUSED = frozenset({'Cc', 'Cs', 'Zl', 'Zp'})


def checked(text: object) -> str:
  """Returns a comment without spaces around it; ValueError if it is none."""
  if not isinstance(text, str) or len(text) > LONGEST:
    raise ValueError(f'a comment is a text of at most {LONGEST} characters')
  if any(unicodedata.category(x) in _REFUSED for x in text):
    raise ValueError('a comment is one line, without control characters')
  return text.strip()


class Comments:
  """The table of comments."""

  def __init__(self, open_database: database.Database) -> None:
    self._database = open_database

  def all(self) -> list[records.Comment]:
    """Returns the standing comments, oldest first."""
    rows = self._database.query(queries.comments())
    return [records.Comment(*row) for row in rows]

  def on(self, request: str) -> list[records.Comment]:
    """Returns the standing comments on a point, oldest first."""
    query = queries.comments('WHERE request_id = ?')
    return [records.Comment(*x) for x in self._database.query(query, request)]

  def by_request(self) -> dict[str, dict[str, str]]:
    """Returns the standing comments by request and annotator."""
    found: dict[str, dict[str, str]] = {}
    for one in self.all():
      found.setdefault(one.request, {})[one.annotator] = one.text
    return found

  def add(
    self,
    comment: records.Comment,
    key: str | None = None,
    time: float | None = None,
  ) -> bool:
    """Records a comment, given at `time` (seconds since 1970; None: now).

    One that was given before the standing one, such as offline, does not
    replace it. Returns False, recording nothing, if a comment with this key was
    recorded before.

    Raises:
      ValueError: unknown request, or not a comment.
    """
    text = checked(comment.text)
    now = clock.time()
    given = records.timestamp(now if time is None else min(time, now))
    with self._database.transaction() as connection:
      known = 'SELECT 1 FROM comments WHERE key = ?'
      if key is not None and self._database.query(known, key):
        return False
      asked = 'SELECT 1 FROM requests WHERE id = ?'
      if not self._database.query(asked, comment.request):
        raise ValueError(f'there is no request {comment.request!r}')
      inserting.comments(
        connection, [comment._replace(text=text, time=given)], key
      )
    return True

  def add_new(self, comments: Iterable[records.Comment]) -> int:
    """Records those that were never made here; returns how many.

    A file may hold comments that were changed or taken back since.
    """
    now = records.timestamp(clock.time())
    with self._database.transaction() as connection:
      made = 'SELECT DISTINCT request_id, annotator, text FROM comments'
      known = set(self._database.query(made))
      new = [
        one._replace(time=one.time or now)
        for one in comments
        if one[:3] not in known
      ]
      inserting.comments(connection, new)
    return len(new)
