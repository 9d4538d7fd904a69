"""Atomic writes: a file is complete or absent."""

import os
import pathlib


def part_of(path: pathlib.Path) -> pathlib.Path:
  """The temporary name of a file being written; a killed process leaves it."""
  return path.with_name(f'{path.name}.part')


def write(path: pathlib.Path, content: bytes) -> None:
  """Writes or replaces a file in an existing folder."""
  part = part_of(path)
  part.write_bytes(content)
  os.replace(part, path)
