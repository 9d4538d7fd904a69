"""Words that stand for answers in exchanged files."""

import dataclasses
import difflib

from pointsup_jax import errors
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.types import IGNORE

_GREYS = ((153, 153, 153), (85, 85, 85), (255, 255, 255))


@dataclasses.dataclass(frozen=True)
class Words:
  """Class names and three other words: unsure, void and unlabelled."""

  classes: classes_lib.ClassSet

  def __post_init__(self) -> None:
    """Rejects names that some format would not preserve."""
    for name in self.classes.names:
      # CVAT lists names one per line, and XML loses spaces at the ends.
      if name != name.strip() or not name.isprintable():
        raise errors.UserError(
          f'the class {name!r} cannot be exchanged: names must be printable '
          'and neither start nor end with a space; rename it in classes.json'
        )

  @property
  def unsure(self) -> str:
    """An answer: the annotator cannot tell."""
    return self._free('unsure')

  @property
  def void(self) -> str:
    """An answer: none of the classes, 255."""
    return self._free('void')

  @property
  def unlabelled(self) -> str:
    """No answer yet."""
    return self._free('unlabelled')

  @property
  def answers(self) -> tuple[str, ...]:
    """All words for answers, classes first."""
    return (*self.classes.names, self.unsure, self.void)

  @property
  def colors(self) -> dict[str, str]:
    """Maps all words to #RRGGBB, 'unlabelled' last."""
    palette = (*self.classes.palette, *_GREYS)
    names = (*self.answers, self.unlabelled)
    return {
      name: '#{:02x}{:02x}{:02x}'.format(*color)
      for name, color in zip(names, palette, strict=True)
    }

  def of(self, label: int | None) -> str:
    """Returns the word for a label, 255 or None (unsure)."""
    if label is None:
      return self.unsure
    return self.void if label == IGNORE else self.classes.names[label]

  def is_open(self, word: str) -> bool:
    """Whether a word means that there is no answer yet."""
    return word in ('', self.unlabelled)

  def label(self, word: str) -> int | None:
    """Returns the label for a word of `answers`; None: unsure.

    Raises:
      KeyError: unknown word; the message suggests the nearest ones.
    """
    if word == self.unsure:
      return None
    if word == self.void:
      return IGNORE
    try:
      return self.classes.names.index(word)
    except ValueError:
      raise KeyError(self._unknown(word)) from None

  def _unknown(self, word: str) -> str:
    lower = {name.lower(): name for name in self.answers}
    near = difflib.get_close_matches(word.lower(), lower, n=3)
    if near:
      names = ' or '.join(repr(lower[name]) for name in near)
      return f'unknown class {word!r}; did you mean {names}?'
    return f'unknown class {word!r}; there are {", ".join(self.answers)}'

  def _free(self, word: str) -> str:
    """Appends '_' to the word until no class has that name."""
    while word in self.classes.names:
      word += '_'
    return word
