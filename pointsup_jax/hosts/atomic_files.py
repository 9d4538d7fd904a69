"""Files that are either whole or not there."""

import os
import pathlib


def part_of(path: pathlib.Path) -> pathlib.Path:
  """What a file is called until it is whole; a killed process leaves it."""
  return path.with_name(f'{path.name}.part')


def write(path: pathlib.Path, content: bytes) -> None:
  """Writes a file, in a folder that is there, in place of an older one."""
  part = part_of(path)
  part.write_bytes(content)
  os.replace(part, path)
