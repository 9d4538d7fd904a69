"""Formats durations, long lists and library errors for messages."""

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
