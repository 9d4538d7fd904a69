"""Reads and writes JSON and JSON-lines files.

JSON files are written atomically. A JSON-lines file may end in a partial line,
left by a killed process or a full disk, which readers ignore.

Readers take a function `parse` that turns an object into what is needed. What
it raises over missing keys, other types or values out of range counts as damage
to the file. `shaped` makes such a function from a type.
"""

import functools
import json
import os
import pathlib
from collections.abc import Callable, Iterable
from typing import Annotated, Any, TypeAlias

import msgspec

from pointsup_jax import errors
from pointsup_jax.hosts import atomic_files, progress, wording

# Numbers in range of NumPy's types.
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Number: TypeAlias = Annotated[float, msgspec.Meta(ge=-1e300, le=1e300)]

Parse: TypeAlias = Callable[[dict[str, Any]], Any]


def shaped(kind: Any) -> Parse:
  """Makes the `parse` of a dataclass, a TypedDict or another type hint."""
  return functools.partial(msgspec.convert, type=kind)


def write(path: pathlib.Path, value: dict[str, Any]) -> None:
  """Writes an object, creating the file's folder."""
  path.parent.mkdir(parents=True, exist_ok=True)
  atomic_files.write(path, (json.dumps(value, indent=1) + '\n').encode())


def read(path: pathlib.Path, parse: Parse = dict) -> Any:
  """Reads an object; raises errors.UserError if the file is damaged."""
  return _object(path.read_bytes(), str(path), parse)


def read_derived(path: pathlib.Path, parse: Parse = dict) -> Any | None:
  """Reads a recomputable object; None if absent or, with a note, damaged."""
  if not path.exists():
    return None
  try:
    return read(path, parse)
  except errors.UserError as error:
    progress.say(f'note: {error}')
    return None


def write_lines(path: pathlib.Path, records: Iterable[dict[str, Any]]) -> None:
  """Writes objects, one per line, replacing the file."""
  lines = ''.join(json.dumps(record) + '\n' for record in records)
  atomic_files.write(path, lines.encode())


def append(path: pathlib.Path, record: dict[str, Any]) -> None:
  """Appends a line to a file, replacing a partial last line."""
  with path.open('ab+') as file:
    if file.tell():
      file.seek(-1, os.SEEK_END)
      if file.read() != b'\n':
        file.truncate(path.read_bytes().rfind(b'\n') + 1)
    file.write(json.dumps(record).encode() + b'\n')


def read_lines(path: pathlib.Path, parse: Parse = dict) -> list[Any]:
  """Reads the complete lines; none if there is no file.

  Raises errors.UserError if a line is damaged.
  """
  if not path.exists():
    return []
  *lines, _ = path.read_bytes().split(b'\n')
  return [
    _object(line, f'{path}, line {number},', parse)
    for number, line in enumerate(lines, start=1)
  ]


def _object(content: bytes, where: str, parse: Parse) -> Any:
  try:
    found = json.loads(content)
    if not isinstance(found, dict):
      raise ValueError('not an object')
    return parse(found)
  except (
    ValueError, TypeError, AttributeError, LookupError, ArithmeticError,
    RecursionError,
  ) as error:  # fmt: skip
    raise errors.UserError(
      f'{where} is damaged ({wording.described(error)}); repair it, or delete '
      'it to do without'
    ) from error
