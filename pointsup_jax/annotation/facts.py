"""People's answers as facts about pixels, which any store can take in."""

import math
import re
import time as clock
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple, TypeAlias

from pointsup_jax.annotation import comments as comments_lib
from pointsup_jax.annotation import inserting, oracle, queries, records
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.hosts import wording
from pointsup_jax.types import IGNORE

_TIME = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z')
_NAME = 200  # maximum length of an annotator's name
# Everybody's last word on each point: their standing answer, or NULL if it was
# taken back or there is only a comment. Of the simulated annotator, only what
# was answered on a page.
_LAST_WORDS = f"""
  SELECT image, height, width, row, col, annotator,
    given.answer, label, seconds, active_seconds, mode, given.time,
    remarked.text, remarked.time
  FROM (SELECT request_id, annotator, max(seq) AS last FROM
      (SELECT request_id, annotator, seq FROM answers
      UNION ALL SELECT request_id, annotator, 0 FROM comments)
    GROUP BY request_id, annotator)
  JOIN requests ON id = request_id JOIN images USING (image)
  LEFT JOIN ({queries.answers_by_person()}) AS given
    USING (request_id, annotator)
  LEFT JOIN ({queries.comments()}) AS remarked USING (request_id, annotator)
  WHERE annotator != ? OR mode IS NOT NULL
  ORDER BY last"""

# Image, row and column.
Pixel: TypeAlias = tuple[str, int, int]


class Fact(NamedTuple):
  """What somebody said about a pixel."""

  image: str
  row: int
  col: int
  size: tuple[int, int]  # (height, width) of the image
  annotator: str
  answer: str | None  # 'label' or 'unsure'; None: taken back or skipped
  label: int | None  # with 'label', of the classes of the reader
  seconds: float | None
  how: records.How
  time: str | None  # ISO 8601, UTC
  fault: str = ''  # why it is unusable, if it is
  comment: records.Comment | None = None


class Judged(NamedTuple):
  """Facts that a store can take in, and those that it cannot."""

  new: list[tuple[str, Fact]]  # with the request's id
  points: list[records.Request]  # to be added for them
  known: int  # facts that the store has
  otherwise: int  # the same person said something else here, which stands
  refused: dict[str, list[str]]  # why -> points
  comments: list[records.Comment]  # on points of the store, or to be added


def read(
  store: store_lib.Store, theirs: Sequence[str], ours: Sequence[str]
) -> list[Fact]:
  """Reads everybody's last words from a store, oldest first.

  The file may be anybody's: nothing in it is relied on. Labels are mapped from
  the class names `theirs` of that store to `ours`.
  """
  rows = store.database.query(_LAST_WORDS, oracle.NAME)
  return [_fact(row, theirs, ours) for row in rows]


def judge(
  store: store_lib.Store,
  facts: Iterable[Fact],
  add: Callable[[Pixel], records.Request] | None = None,
) -> Judged:
  """Compares facts with a store, which stays as it is.

  `add` makes the request for a point that was not asked; None: such facts are
  refused.
  """
  sizes = store.sizes()
  asked = {request.id for request in store.each_request()}
  said = {
    (x.request, x.annotator): (x.answer, x.label)
    for x in store.answers_by_person()
  }
  heard = set(
    store.database.query('SELECT DISTINCT request_id, annotator FROM answers')
  )
  answered = {point for point, _ in heard}
  remarked = {
    (point, annotator): time
    for point, annotator, time in store.database.query(
      'SELECT request_id, annotator, max(time) FROM comments GROUP BY 1, 2'
    )
  }
  comments = []
  new: list[tuple[str, Fact]] = []
  wanted: dict[str, Pixel] = {}
  refused: dict[str, list[str]] = {}
  known = otherwise = 0
  for fact in facts:
    remark = fact.comment
    if remark and (remark.time or '') > remarked.get(remark[:2], ''):
      comments.append((fact, remark))
    if fact.answer is None and not fact.fault:
      continue
    point = records.request_id(fact.image, fact.row, fact.col)
    fault = fact.fault or _misplaced(fact, sizes)
    if not fault and point not in asked and add is None:
      fault = 'to points that were not asked here (--add_points adds them)'
    if fault:
      refused.setdefault(fault, []).append(point)
    elif (point, fact.annotator) in heard:
      same = said.get((point, fact.annotator)) == (fact.answer, fact.label)
      known, otherwise = known + same, otherwise + (not same)
    else:
      if point in answered:  # settles nothing between people here
        fact = fact._replace(how=fact.how._replace(mode=None))
      new.append((point, fact))
      if point not in asked:
        wanted[point] = (fact.image, fact.row, fact.col)
  points = [add(x) for x in sorted(wanted.values())] if add else []
  here = asked | wanted.keys()
  remarks = [
    comment
    for fact, comment in comments
    if comment.request in here and not _misplaced(fact, sizes)
  ]
  return Judged(new, points, known, otherwise, refused, remarks)


def refusals(judged: Judged) -> list[str]:
  """A line for each reason why facts are refused."""
  return [
    wording.printable(f'{len(points)} answers {why} ({wording.few(points)})')
    for why, points in judged.refused.items()
  ]


def record(store: store_lib.Store, judged: Judged) -> None:
  """Takes in what `judge` found new, in one transaction."""
  now = records.timestamp(clock.time())
  with store.database.transaction() as connection:
    inserting.requests(connection, judged.points)
    # One of a clock that is ahead could not be changed for as long.
    inserting.comments(
      connection,
      [x._replace(time=min(x.time or now, now)) for x in judged.comments],
    )
    connection.executemany(
      'INSERT INTO answers (request_id, answer, label, annotator, seconds,'
      ' active_seconds, mode, key, time) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
      [
        (
          point,
          fact.answer,
          fact.label,
          fact.annotator,
          fact.seconds,
          *fact.how,
          fact.time or now,
        )
        for point, fact in judged.new
      ],
    )


def _misplaced(fact: Fact, sizes: dict[str, tuple[int, int]]) -> str:
  size = sizes.get(fact.image)
  if size is None:
    return 'in images that are not among the target images here'
  if size != fact.size:
    height, width = fact.size
    return f'in images of {height}x{width}, here {size[0]}x{size[1]}'
  if not (0 <= fact.row < size[0] and 0 <= fact.col < size[1]):
    return 'outside their image'
  return ''


def _fact(row: tuple, theirs: Sequence[str], ours: Sequence[str]) -> Fact:
  image, height, width, y, x, annotator, answer, label, *rest = row
  seconds, active, mode, time, remark, remark_time = rest
  fault = ''
  if not all(type(number) is int for number in (height, width, y, x)):
    fault, height, width, y, x = 'without a place', 0, 0, 0, 0
  elif answer == 'label':
    fault, label = _translated(label, theirs, ours)
  name = wording.printable(str(annotator)[:_NAME])
  return Fact(
    image=str(image),
    row=y,
    col=x,
    size=(height, width),
    annotator=name or '?',
    answer=answer if answer in ('label', 'unsure') else None,
    label=label if answer == 'label' else None,
    seconds=_duration(seconds),
    how=records.How(
      active_seconds=_duration(active),
      mode=mode if mode in ('blind', 'confirm', 'adjudicate') else None,
    ),
    time=time if isinstance(time, str) and _TIME.fullmatch(time) else None,
    fault=fault,
    comment=_comment(
      records.request_id(str(image), y, x), name or '?', remark, remark_time
    ),
  )


def _comment(
  point: str, annotator: str, text: object, time: object
) -> records.Comment | None:
  try:
    text = comments_lib.checked(text)
  except ValueError:
    return None
  if not (text and isinstance(time, str) and _TIME.fullmatch(time)):
    return None
  return records.Comment(point, annotator, text, time)


def _translated(
  label: object, theirs: Sequence[str], ours: Collection[str]
) -> tuple[str, int | None]:
  """The fault, '' for none, and the label among our classes."""
  if label == IGNORE:
    # Whoever saw none of their classes may have seen one that only we have.
    more = [name for name in ours if name not in theirs]
    return (f"'none of the classes' without {more[0]}" if more else ''), IGNORE
  if type(label) is not int or not 0 <= label < len(theirs):
    return 'without a class', None
  if theirs[label] not in ours:
    return f'of the class {theirs[label]!r}, which is not one here', None
  return '', list(ours).index(theirs[label])


def _duration(value: object) -> float | None:
  if not isinstance(value, int | float) or not math.isfinite(value):
    return None
  return float(value) if 0 <= value < 1e9 else None
