"""Writes CSV that spreadsheets show and never run.

Programs for tables take text that begins with =, +, -, @, a tab or a line break
for a formula, also behind a semicolon or tab where these separate cells. Such
text gets an apostrophe in front, which `plain` takes away. Numbers stay.
"""

import csv
import re
import types
from collections.abc import Iterable, Sequence

_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_INSIDE = re.compile(r"([;\t])(?='*[=+\-@])")
_ESCAPED = re.compile(r"([;\t])'(?='*[=+\-@])")


def write(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
  """Formats a table as CSV, separated by commas."""
  lines: list[str] = []
  # Ends lines with both, so that it quotes cells that hold either.
  writer = csv.writer(
    types.SimpleNamespace(write=lines.append), lineterminator='\r\n'
  )
  writer.writerows(
    [_safe(cell) if isinstance(cell, str) else cell for cell in row]
    for row in (header, *rows)
  )
  return ''.join(f'{line[:-2]}\n' for line in lines)


def plain(cell: str) -> str:
  """The text of a cell of `write`; other cells come back as they are."""
  cell = cell[1:] if cell[:1] == "'" and _FORMULA.match(cell) else cell
  return _ESCAPED.sub(r'\1', cell)


def _safe(text: str) -> str:
  if _is_number(text):
    return text
  text = _INSIDE.sub(r"\1'", text)
  return f"'{text}" if _FORMULA.match(text) else text


def _is_number(text: str) -> bool:
  try:
    float(text)
  except ValueError:
    return False
  return text == text.strip()
