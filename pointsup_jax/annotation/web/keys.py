"""Which key gives which class."""

import string
from collections.abc import Sequence

# Keys of the page that are no classes: unsure, skip, ignore, undo, brightness,
# model's guess.
COMMANDS = 'usizbm'
_LETTERS = [x for x in string.ascii_lowercase if x not in COMMANDS]


def assign(names: Sequence[str]) -> list[str]:
  """A key for each class, '' for those that are left over.

  The first ten get 1 to 9 and 0. Each of the others gets the first letter of
  its name that is still free, so that it can be remembered; if there is none,
  the first free one of the alphabet; after that, capitals.

  Args:
    names: of the classes.
  """
  keys = list('1234567890'[: len(names)])
  free = list(_LETTERS)
  for name in names[len(keys) :]:
    key = next((x for x in name.lower() if x in free), free[0] if free else '')
    if key:
      free.remove(key)
    keys.append(key)
  capitals = iter(string.ascii_uppercase)
  return [key or next(capitals, '') for key in keys]
