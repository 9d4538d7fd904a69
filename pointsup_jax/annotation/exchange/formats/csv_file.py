"""CSV: id, label, annotator, comment; any spreadsheet can write it."""

import csv
import io
from collections.abc import Iterator

from pointsup_jax import errors
from pointsup_jax.annotation.exchange.formats.exchanged import (
  Export,
  FileAnswer,
)
from pointsup_jax.hosts import csv_text

# The first two are required, in any order.
_COLUMNS = (
  'id', 'label', 'annotator', 'seconds', 'requests', 'comment', 'comment_by',
)  # fmt: skip
# Spreadsheets use the separator of their locale.
_SEPARATORS = (',', ';', '\t')


def write(export: Export) -> Iterator[tuple[str, str]]:
  """Yields a line for each point; the label of open ones is empty.

  A comment of anybody but the annotator has a line of its own, which names no
  annotator: an answer written there is not taken for that of its author.
  """
  rows = []
  for point in export.points:
    answer = point.answer
    word = export.words.of(answer.label) if answer else ''
    annotator = answer.annotator if answer else ''
    seconds = answer.seconds if answer else None
    said = dict(point.comments)
    id_, digest = point.request.id, export.digest
    own = said.pop(annotator, '')
    by = annotator if own else ''
    rows.append([id_, word, annotator, seconds, digest, own, by])
    rows += [
      [id_, '', '', None, digest, text, who] for who, text in said.items()
    ]
  yield '', csv_text.write(_COLUMNS, rows)


def read(text: str, annotator: str) -> list[FileAnswer]:
  """Reads the answers; see `by_name.Format.read`."""
  first = text.partition('\n')[0]
  separator = max(_SEPARATORS, key=first.count)
  # Otherwise an open quote would swallow all following lines.
  reader = csv.reader(
    io.StringIO(text, newline=''), delimiter=separator, strict=True
  )
  try:
    header = [name.strip().lower() for name in next(reader, [])]
    missing = [name for name in _COLUMNS[:2] if name not in header]
    if missing:
      raise errors.UserError(
        f'has no column {missing[0]!r}; the first line must name the columns: '
        f'{",".join(_COLUMNS[:3])}'
      )
    twice = [name for name in _COLUMNS if header.count(name) > 1]
    if twice:
      raise errors.UserError(f'has the column {twice[0]!r} twice')
    return [
      _file_answer(row, header, reader.line_num, annotator)
      for row in reader
      if any(map(str.strip, row))  # spreadsheets append rows of commas
    ]
  except csv.Error as error:
    raise errors.UserError(f'line {reader.line_num}: {error}') from error


def _file_answer(
  row: list[str], header: list[str], line: int, annotator: str
) -> FileAnswer:
  cells = dict(zip(header, map(csv_text.plain, row), strict=False))
  fault = ''
  if any(map(str.strip, row[len(header) :])):
    fault = f'has {len(row)} cells under {len(header)} columns'
  seconds = None
  try:
    seconds = float(cells.get('seconds') or 'nan')
  except ValueError:
    fault = f'seconds {cells["seconds"]!r} is no number'
  return FileAnswer(
    where=f'line {line}',
    point=cells.get('id', '').rstrip(),
    word=cells.get('label', '').strip(),
    annotator=cells.get('annotator', '').strip() or annotator,
    seconds=seconds if seconds is not None and 0 <= seconds < 1e9 else None,
    digest=cells.get('requests', '').strip() or None,
    fault=fault,
    comment=cells.get('comment', '').strip(),
    comment_by=cells.get('comment_by', '').strip(),
  )
