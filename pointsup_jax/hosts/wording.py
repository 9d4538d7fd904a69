"""Formats durations, lists, library errors and foreign text for messages."""

from collections.abc import Sequence


def duration(seconds: float) -> str:
  """Formats seconds as '42 s', '5 min', '2 h 5 min' or '12 h'."""
  if seconds < 60:
    return f'{seconds:.0f} s'
  hours, minutes = divmod(round(seconds / 60), 60)
  if hours >= 10:
    return f'{seconds / 3600:,.0f} h'
  return f'{hours} h {minutes} min' if hours else f'{minutes} min'


def few(items: Sequence[str]) -> str:
  """Joins the first three items, then 'and N more'."""
  more = f' and {len(items) - 3} more' if len(items) > 3 else ''
  return ', '.join(items[:3]) + more


def first_line(error: BaseException) -> str:
  """The first line of an error's message, or its type's name if empty."""
  return next(iter(str(error).strip().splitlines()), type(error).__name__)


def described(error: BaseException) -> str:
  """`first_line`, with the type's name where the message says too little."""
  line = first_line(error)
  bare = isinstance(error, LookupError | RecursionError)
  return f'{type(error).__name__}: {line}' if bare else line


def printable(text: str, *, keep: str = '') -> str:
  """Escapes control and other unprintable characters, but those of `keep`.

  Names come from files, and would otherwise move the cursor, clear the screen
  or begin a line of their own.
  """
  if text.isprintable():
    return text
  return ''.join(
    x if x.isprintable() or x in keep else x.encode('unicode_escape').decode()
    for x in text
  )
