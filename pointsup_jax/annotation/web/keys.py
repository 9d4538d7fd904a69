"""Assigns keyboard keys to classes."""

import string
from collections.abc import Mapping, Sequence

from pointsup_jax.data import classes

_LETTERS = [x for x in string.ascii_lowercase if x not in classes.PAGE_KEYS]


def assign(
  names: Sequence[str], given: Mapping[str, str] | None = None
) -> list[str]:
  """Returns a key for each class, '' if none is left.

  `given` holds the keys of some; see `classes.ClassSet`. Of the others, the
  first ten get 1 to 9 and 0. Each of the rest gets the first free letter of its
  name, else the first free one of the alphabet, else a capital in the same way.
  """
  given = given or {}
  taken = set(given.values())
  digits = iter([x for x in '1234567890' if x not in taken])
  keys = [given.get(name) or next(digits, '') for name in names]
  for free in (_LETTERS, list(string.ascii_uppercase)):
    free = [x for x in free if x not in taken]
    upper = free[:1] and free[0].isupper()
    for i, name in enumerate(names):
      if not keys[i] and free:
        letters = name.upper() if upper else name.lower()
        keys[i] = next((x for x in letters if x in free), free[0])
        free.remove(keys[i])
  return keys
