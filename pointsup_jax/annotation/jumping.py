"""Finds the images to which an annotator can jump."""

from typing import NamedTuple

from pointsup_jax.annotation import database, open_points

# Images with points, numbered from 1 in the order in which they are asked. Of
# these the one of the number :wanted, then those with :wanted in their names,
# of which those with points that want an answer come first.
_FITTING = """
  WITH numbered AS (
    SELECT image, given < needed AS waits,
      row_number() OVER (ORDER BY score DESC, image) AS number
    FROM tallies WHERE points > 0)
  SELECT image, number, count(*) OVER ()
  FROM numbered
  WHERE number = :number OR instr(casefold(image), :wanted)
  ORDER BY number IS NOT :number, NOT waits, number LIMIT :count"""


class Found(NamedTuple):
  """An image that was looked for."""

  image: str
  number: int  # from 1, in the order of asking
  open: int  # points that the annotator may be asked


class Jump(NamedTuple):
  """Where an annotator went, and when."""

  image: str
  after: int  # seq of the last answer before


def to(open_database: database.Database, image: str) -> Jump:
  """Returns a jump to an image now; ValueError if none of its points is asked.

  The name must be the image's own.
  """
  if not open_database.query(
    'SELECT 1 FROM tallies WHERE image = ? AND points > 0', image
  ):
    raise ValueError(f'there is no image {image!r}')
  ((last,),) = open_database.query('SELECT last_answer FROM totals')
  return Jump(image, last)


def find(
  open_database: database.Database,
  wanted: str,
  count: int,
  asked: open_points.Asked,
) -> tuple[int, list[Found]]:
  """Returns how many images fit, and the best of them, at most `count`.

  An image fits if `wanted` is its number or part of its name, upper case or
  lower. The image of that number comes first, then those with points that want
  an answer, else they are in the order of asking.
  """
  wanted = wanted.strip().casefold()
  rows = open_database.query(
    _FITTING, wanted=wanted, number=_number(wanted), count=max(count, 1)
  )
  found = [
    Found(
      image, number, open_points.count_in_image(open_database, image, asked)
    )
    for image, number, _ in rows[:count]
  ]
  return rows[0][-1] if rows else 0, found


def _number(wanted: str) -> int | None:
  """The number that a text is, written as it is shown; None: it is none."""
  is_one = wanted.isascii() and wanted.isdecimal() and len(wanted) < 16
  return int(wanted) if is_one and str(int(wanted)) == wanted else None
