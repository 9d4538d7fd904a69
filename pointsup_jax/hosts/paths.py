"""Paths of files that are named by data."""

import pathlib

from pointsup_jax import errors


def inside(folder: pathlib.Path, name: str) -> pathlib.Path:
  """The path of the file `name` below `folder`, to be written.

  The name may come from a store, an import or a data set. Raises
  errors.UserError if it leads out of the folder, itself or through a link.
  """
  path = folder / name
  try:
    found = path.resolve()
    is_inside = found.is_relative_to(folder.resolve())
    # From Python 3.13 on, a loop of links is left in the path.
    is_inside &= not any(x.is_symlink() for x in (found, *found.parents))
  except (ValueError, OSError, RuntimeError):  # a NUL, a loop of links
    is_inside = False
  if not is_inside:
    raise errors.UserError(
      f'{path} leads out of {folder}, so nothing is written there; rename the '
      'image, or remove the link'
    )
  return path
