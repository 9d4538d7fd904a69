"""Pictures that show what a class looks like, as a classes.json names them."""

import os
import pathlib
from typing import Any

from pointsup_jax import errors
from pointsup_jax.data import image_files

MOST = 6  # of a class


def find(
  examples: Any, names: tuple[str, ...], folder: pathlib.Path
) -> dict[str, tuple[pathlib.Path, ...]]:
  """Returns the image files of classes, each a real path below `folder`.

  Args:
    examples: {class: [path, ...], ...}, relative to `folder`.
    names: of the classes.
    folder: that of the classes.json.

  Raises:
    errors.UserError: it is something else, or a file is missing, no image, or
      not in the folder.
  """
  if not isinstance(examples, dict):
    raise errors.UserError(
      '"examples" must be an object, of a list of image files a class'
    )
  found = {}
  for name, paths in examples.items():
    if name not in names:
      raise errors.UserError(f'"examples" has {name!r}, which is no class')
    if (
      not isinstance(paths, list)
      or len(paths) > MOST
      or not all(isinstance(path, str) for path in paths)
    ):
      raise errors.UserError(
        f'"examples" has for {name!r} no list of at most {MOST} paths'
      )
    found[name] = tuple(_checked(folder, path) for path in paths)
  return found


def _checked(folder: pathlib.Path, path: str) -> pathlib.Path:
  root = pathlib.Path(os.path.realpath(folder))
  # Also where a link leads; what cannot be printed is no path of anybody's.
  real = pathlib.Path(
    os.path.realpath(root / path if path.isprintable() else root)
  )
  if root not in real.parents or os.path.isabs(path):
    raise errors.UserError(
      f'"examples" has {path[:80]!r}; it must be a path below the folder of '
      'this file'
    )
  if not os.path.isfile(real):  # also of a name that is too long
    raise errors.UserError(
      f'"examples" has {path[:80]!r}, which is no file in {folder}'
    )
  image_files.header(folder, path)
  return real
