"""Finds input images from files, folders and glob patterns."""

import collections
import glob
import os
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

from pointsup_jax import errors
from pointsup_jax.data import folders


class Picture(NamedTuple):
  """An image file and the name of its predictions."""

  path: pathlib.Path  # absolute
  name: str  # relative; unique


def find(
  operands: Sequence[str], out: pathlib.Path
) -> tuple[list[Picture], list[str]]:
  """Finds and names the images.

  Images in a folder operand are named by their path below it. Files, including
  those a pattern matches, are named by their path below their deepest common
  folder, whether or not the shell expanded the pattern. The suffix is dropped
  unless images differ only in it.

  Args:
    operands: files, folders (searched recursively), and patterns with * ? [ ]
      or ** for any number of folders.
    out: the results folder, skipped when folders are searched.

  Returns:
    The images sorted by name, and a message per operand without images.

  Raises:
    errors.UsageError: two images would get the same name.
  """
  files: list[pathlib.Path] = []
  named: list[tuple[pathlib.Path, pathlib.Path]] = []  # image, its folder
  problems = []
  for operand in operands:
    matches = [operand]
    if not os.path.exists(operand) and glob.has_magic(operand):
      matches = sorted(glob.glob(operand, recursive=True))
    there = [_absolute(match) for match in matches if os.path.exists(match)]
    if not there:
      problems.append(f'{operand}: there is no such file')
    for path in there:
      if not path.is_dir():
        files.append(path)
        continue
      images = list(folders.images_below(path, leave_out=_absolute(out)))
      if not images:
        suffixes = ', '.join(folders.IMAGE_SUFFIXES)
        problems.append(f'{path} has no images ({suffixes})')
      named += [(image, path) for image in images]
  if files:
    top = pathlib.Path(os.path.commonpath([path.parent for path in files]))
    named += [(path, top) for path in files]
  return _by_name(named), problems


def _absolute(path: str | pathlib.Path) -> pathlib.Path:
  """An absolute path without '..', so that names have none."""
  return pathlib.Path(os.path.abspath(path))


def _by_name(
  named: Sequence[tuple[pathlib.Path, pathlib.Path]],
) -> list[Picture]:
  stems = collections.defaultdict(set)
  for path, _ in named:
    stems[path.with_suffix('')].add(path)
  pictures: dict[str, Picture] = {}
  for path, folder in named:
    twins = len(stems[path.with_suffix('')]) > 1
    short = path.relative_to(folder)
    name = (short if twins else short.with_suffix('')).as_posix()
    picture = pictures.setdefault(name, Picture(path, name))
    if picture.path != path:
      raise errors.UsageError(
        f'{picture.path} and {path} would both be predicted as {name!r}; name '
        'a folder that holds both, or give each an --out'
      )
  return sorted(pictures.values(), key=lambda picture: picture.name)
