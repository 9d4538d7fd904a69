"""Assigns keyboard keys to classes."""

import string
from collections.abc import Sequence

# Keys of commands: unsure, skip, ignore, undo, brightness, model's guess.
COMMANDS = 'usizbm'
_LETTERS = [x for x in string.ascii_lowercase if x not in COMMANDS]


def assign(names: Sequence[str]) -> list[str]:
  """Returns a key for each class, '' if none is left.

  The first ten get 1 to 9 and 0. Each of the others gets the first free letter
  of its name, else the first free one of the alphabet, else a capital.
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
