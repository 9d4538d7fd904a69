"""Imports answers from files into a store."""

import pathlib
from typing import NamedTuple

from pointsup_jax import errors
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.annotation.exchange import verifying
from pointsup_jax.annotation.exchange.formats import by_name
from pointsup_jax.annotation.exchange.formats import words as words_lib
from pointsup_jax.annotation.exchange.formats.exchanged import FileAnswer
from pointsup_jax.hosts import progress

_LINE = 400  # maximum length of a line about one answer
_SUFFIXES = {'.csv': 'csv', '.json': 'label_studio', '.xml': 'cvat'}


class Imported(NamedTuple):
  """Counts of an import."""

  recorded: int
  known: int  # answers already in the store
  faulty: int  # faults that were skipped
  moved: int  # points that were moved; their answers count all the same
  untouched: int  # points in the file without an answer


def find(name: str) -> tuple[pathlib.Path, str]:
  """Returns a file with answers, and its format by suffix.

  Raises errors.UsageError if it is missing or its suffix is unknown.
  """
  path = pathlib.Path(name)
  if path.suffix.lower() not in _SUFFIXES:
    raise errors.UsageError(
      f'{path} must end in {", ".join(_SUFFIXES)}: answers as CSV, as Label '
      "Studio's JSON or as CVAT's XML"
    )
  if not path.is_file():
    raise errors.UsageError(f'there is no file {path} with answers')
  return path, _SUFFIXES[path.suffix.lower()]


def import_file(
  store: store_lib.Store,
  path: pathlib.Path,
  format_name: str,
  *,
  size: tuple[int, int],
  words: words_lib.Words,
  annotator: str = '',
  skip_faulty: bool = False,
) -> Imported:
  """Records a file's answers in one transaction; reports notes and faults.

  Args:
    format_name: one of `by_name.FORMATS` that can be read.
    size: (height, width) that the requests refer to.
    annotator: used where the file names nobody; '': the format's name.
    skip_faulty: record valid answers even if others are faulty.

  Raises:
    errors.UserError: the file cannot be read, or answers are faulty; nothing
      was recorded.
  """
  file_answers = read(path, format_name, annotator)
  verdict = verifying.check(file_answers, store.requests(), size, words)
  faults = [_printable(line) for line in verdict.faults]
  for line in verdict.notes:
    progress.say(f'note: {_printable(line)}')
  for line in faults:
    progress.say(f'{"skipped" if skip_faulty else "faulty"}: {line}')
  if faults and not skip_faulty:
    raise errors.UserError(
      f'{path}: {len(faults)} faults among {len(file_answers)} points, the '
      f'first: {faults[0]}; nothing was recorded; fix them, or record '
      'the others with python -m launch.exchange --skip_faulty'
    )
  known = {
    (x.request, x.label, x.annotator)
    for x in store.answers_by_person()
    if x.answer != 'skip'
  }
  new = [
    x
    for x in verdict.accepted
    if (x.request, x.label, x.annotator) not in known
  ]
  store.record(new)
  return Imported(
    recorded=len(new),
    known=len(verdict.accepted) - len(new),
    faulty=len(faults),
    moved=len(verdict.notes),
    untouched=verdict.untouched,
  )


def read(
  path: pathlib.Path, format_name: str, annotator: str = ''
) -> list[FileAnswer]:
  """Reads a file's answers, unchecked.

  Raises errors.UserError if it cannot be read or is not of that format.
  """
  reader = by_name.FORMATS[format_name].read
  if reader is None:
    raise errors.UsageError(
      f'{format_name} is only written; answers come back as '
      f'{", ".join(name for name, x in by_name.FORMATS.items() if x.read)}'
    )
  try:
    text = path.read_text(encoding='utf-8-sig')
  except OSError as error:
    raise errors.UserError(
      f'{path} cannot be read: {error.strerror}'
    ) from error
  except UnicodeDecodeError as error:
    raise errors.UserError(
      f'{path} is not in UTF-8 ({error.reason} at byte {error.start}); save it '
      "as such (spreadsheets: 'CSV UTF-8')"
    ) from error
  try:
    return reader(text, annotator or format_name)
  except errors.UserError as error:
    raise errors.UserError(f'{path}: {error}') from error


def _printable(line: str) -> str:
  """Truncates a line and replaces unprintable characters."""
  return ''.join(x if x.isprintable() else '?' for x in line[:_LINE])
