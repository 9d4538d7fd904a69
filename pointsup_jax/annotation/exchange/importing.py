"""Imports answers from files into a store."""

import io
import pathlib
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from pointsup_jax import errors
from pointsup_jax.annotation import agreement, comments, facts, records
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.annotation.exchange import verifying
from pointsup_jax.annotation.exchange.formats import by_name, exchanged
from pointsup_jax.annotation.exchange.formats import words as words_lib
from pointsup_jax.annotation.exchange.formats.exchanged import FileAnswer
from pointsup_jax.hosts import progress, wording

_LINE = 400  # maximum length of a line about one answer
_LISTED = 20  # lines about single answers; more are only counted
_SUFFIXES = {
  '.csv': 'csv',
  '.json': 'label_studio',
  '.xml': 'cvat',
  '.zip': 'cvat',  # as CVAT exports it
}
_MOST = 2**30  # bytes of a file in a zip


class Imported(NamedTuple):
  """Counts of an import."""

  recorded: int
  known: int  # answers already in the store
  faulty: int  # faults that were skipped
  moved: int  # points that were moved; their answers count all the same
  untouched: int  # points in the file without an answer
  comments: int  # recorded


def find(name: str) -> tuple[pathlib.Path, str]:
  """Returns a file with answers, and its format by suffix.

  Raises errors.UsageError if it is missing or its suffix is unknown.
  """
  path = pathlib.Path(name)
  if path.suffix.lower() not in _SUFFIXES:
    raise errors.UsageError(
      f'{path} must end in {", ".join(_SUFFIXES)}: answers as CSV, as Label '
      "Studio's JSON or as CVAT's XML or zip"
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
  add: Callable[[facts.Pixel], records.Request] | None = None,
) -> Imported:
  """Records a file's answers in one transaction; reports notes and faults.

  Comments follow in a second one, those on points that were asked or added.

  Args:
    format_name: one of `by_name.FORMATS` that can be read.
    size: (height, width) that the requests refer to.
    annotator: used where the file names nobody; '': the format's name.
    skip_faulty: record valid answers even if others are faulty.
    add: makes the request for a pixel that was not asked; None: such answers
      are faulty.

  Raises:
    errors.UserError: the file cannot be read, or answers are faulty; nothing
      was recorded.
  """
  file_answers = read(path, format_name, annotator)
  asked = store.requests()
  added = _added(file_answers, asked, store.sizes(), add) if add else {}
  verdict = verifying.check(
    file_answers,
    [*asked, *added.values()],
    size,
    words,
    any_run=add is not None,
  )
  faults = [wording.printable(line[:_LINE]) for line in verdict.faults]
  if not file_answers:
    progress.say(f'note: {path} holds no answer to any point')
  _list('note', verdict.notes)
  _list('skipped' if skip_faulty else 'faulty', faults)
  if faults and not skip_faulty:
    raise errors.UserError(
      f'{path}: {len(faults)} faults among {len(file_answers)} points, the '
      f'first: {faults[0]}; nothing was recorded; fix them, or record '
      'the others with python -m launch.exchange --skip_faulty'
    )
  standing = [x for x in store.answers_by_person() if x.answer != 'skip']
  known = {(x.request, x.label, x.annotator) for x in standing}
  new = [
    x
    for x in verdict.accepted
    if (x.request, x.label, x.annotator) not in known
  ]
  used = dict.fromkeys(entry.request for entry in new)
  store.record(new, [added[point] for point in used if point in added])
  known_points = used.keys() | {request.id for request in asked}
  on_points = [x for x in verdict.comments if x.request in known_points]
  remarks = comments.Comments(store.database).add_new(on_points)
  if left_out := len(verdict.comments) - len(on_points):
    progress.say(
      f'note: {left_out} comments are left out: nobody asked or answered their '
      'points here'
    )
  _say_disputes(store, standing, new)
  return Imported(
    recorded=len(new),
    known=len(verdict.accepted) - len(new),
    faulty=len(faults),
    moved=len(verdict.notes),
    untouched=verdict.untouched,
    comments=remarks,
  )


def _say_disputes(
  store: store_lib.Store,
  before: Sequence[records.PersonAnswer],
  new: Sequence[records.Entry],
) -> None:
  """Says how many new answers lie beside those of others, which still hold."""
  theirs = {(x.request, x.annotator) for x in before}
  beside = {x.request for x in before} & {
    x.request for x in new if (x.request, x.annotator) not in theirs
  }
  if beside:
    disputed = agreement.disputed(store.database)
    progress.say(
      f'{len(beside)} points had answers of others, which still hold; '
      f'{len(beside.intersection(disputed))} of these are disputed: Agreement '
      'on the page (--stage=annotate) settles them'
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
    content = path.read_bytes()
    if content.startswith(b'PK'):
      content = _unzipped(path, format_name)
    text = io.TextIOWrapper(io.BytesIO(content), 'utf-8-sig').read()
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


def _added(
  file_answers: Sequence[FileAnswer],
  asked: Sequence[records.Request],
  sizes: Mapping[str, tuple[int, int]],
  add: Callable[[facts.Pixel], records.Request],
) -> dict[str, records.Request]:
  """The requests, by id, for pixels of our images that were not asked."""
  known = {request.id for request in asked}
  found = {}
  for point in sorted({entry.point for entry in file_answers} - known):
    pixel = exchanged.pixel(point)
    height, width = sizes.get(pixel[0], (0, 0)) if pixel else (0, 0)
    if pixel and pixel[1] < height and pixel[2] < width:
      found[point] = add(pixel)
  return found


def _unzipped(path: pathlib.Path, format_name: str) -> bytes:
  """The content of the only file of a format in a zip."""
  suffix = {'cvat': '.xml', 'csv': '.csv'}.get(format_name, '.json')
  try:
    with zipfile.ZipFile(path) as packed:
      found = [
        member
        for member in packed.infolist()
        if member.filename.endswith(suffix)
        and not pathlib.PurePosixPath(member.filename).name.startswith('.')
        and member.file_size <= _MOST
      ]
      if len(found) == 1:
        return packed.read(found[0])
  # Whatever is in the file decides what zipfile and its decompressors raise.
  except Exception as error:
    line = wording.first_line(error)
    raise errors.UserError(f'{path} is a damaged zip: {line}') from error
  raise errors.UserError(
    f'{path} is a zip with {len(found)} {suffix} files of at most 1 GB, where '
    'there must be one; unpack it and give the file with the answers'
  )


def _list(what: str, lines: Sequence[str]) -> None:
  for line in lines[:_LISTED]:
    progress.say(f'{what}: {line[:_LINE]}')
  if len(lines) > _LISTED:
    progress.say(f'{what}: and {len(lines) - _LISTED} more')
