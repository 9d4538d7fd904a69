"""How messages put durations, long lists and the errors of libraries."""

from collections.abc import Sequence


def duration(seconds: float) -> str:
  """Seconds as people say them."""
  if seconds < 60:
    return f'{seconds:.0f} s'
  hours, minutes = divmod(round(seconds / 60), 60)
  if hours >= 10:
    return f'{seconds / 3600:,.0f} h'
  return f'{hours} h {minutes} min' if hours else f'{minutes} min'


def few(items: Sequence[str]) -> str:
  """The first three, and how many more there are."""
  more = f' and {len(items) - 3} more' if len(items) > 3 else ''
  return ', '.join(items[:3]) + more


def first_line(error: BaseException) -> str:
  """What an error says first; its kind where it says nothing."""
  return next(iter(str(error).strip().splitlines()), type(error).__name__)
