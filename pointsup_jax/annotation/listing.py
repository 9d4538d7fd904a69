"""Lists what an annotator has answered."""

from typing import NamedTuple

from pointsup_jax.annotation import database, queries, records
from pointsup_jax.types import IGNORE

# The conditions of `Filter.which`.
WHICH = {
  'all': 'true',
  'unsure': "said.answer = 'unsure'",
  'void': f'said.label = {IGNORE}',
  'skip': "said.answer = 'skip'",
  'commented': """ifnull((SELECT text FROM comments
    WHERE comments.request_id = (
        SELECT id FROM requests WHERE requests.rowid = said.point)
      AND comments.annotator = said.annotator
    ORDER BY comments.time DESC, comments.seq DESC LIMIT 1), '') != ''""",
}
_IN_IMAGE = f"""
  SELECT {queries.REQUEST}, {queries.PERSON_ANSWER}
  FROM requests LEFT JOIN said
      ON said.point = requests.rowid AND said.annotator = :annotator
    LEFT JOIN answers ON answers.seq = said.seq
  WHERE image = :image ORDER BY requests.rowid"""


class Filter(NamedTuple):
  """A part of somebody's standing answers."""

  which: str = 'all'  # one of `WHICH`
  label: int | None = None  # only these; None: any
  image: str = ''  # part of the image's name
  before: int | None = None  # only answers with a lower seq


class Listed(NamedTuple):
  """Answers that fit a filter."""

  found: int  # that fit all but `before`
  answers: list[records.PersonAnswer]  # the latest first


def find(
  open_database: database.Database, annotator: str, wanted: Filter, count: int
) -> Listed:
  """Returns an annotator's latest answers that fit, at most `count`."""
  fitting = ['said.annotator = :annotator', WHICH[wanted.which]]
  values: dict[str, object] = {'annotator': annotator}
  if wanted.label is not None:
    fitting.append('said.label = :label')
    values['label'] = wanted.label
  if wanted.image:
    fitting.append(
      'instr(casefold((SELECT image FROM requests'
      ' WHERE requests.rowid = said.point)), :part)'
    )
    values['part'] = wanted.image.casefold()
  where = ' AND '.join(fitting)
  ((found,),) = open_database.query(
    f'SELECT count(*) FROM said WHERE {where}', **values
  )
  before = 2**62 if wanted.before is None else wanted.before
  rows = open_database.query(
    f'SELECT {queries.PERSON_ANSWER} FROM said CROSS JOIN answers USING (seq)'
    f' WHERE {where} AND said.seq < :before ORDER BY said.seq DESC'
    ' LIMIT :count',
    **values,
    before=before,
    count=count,
  )
  return Listed(found, [records.PersonAnswer(*row) for row in rows])


def in_image(
  open_database: database.Database, image: str, annotator: str
) -> list[tuple[records.Request, records.PersonAnswer | None]]:
  """Returns an image's points with an annotator's standing answers."""
  rows = open_database.query(_IN_IMAGE, image=image, annotator=annotator)
  width = len(records.Request._fields)
  return [
    (
      records.Request(*row[:width]),
      None if row[width] is None else records.PersonAnswer(*row[width:]),
    )
    for row in rows
  ]
