"""Parses and checks what browsers send."""

import json
from typing import Any, NamedTuple

from pointsup_jax.annotation import comments, listing, records
from pointsup_jax.annotation import queue as queue_lib

_ANSWERS = ('label', 'unsure', 'skip', 'undo')
_MODES = ('blind', 'confirm', 'adjudicate')
_MOST_SECONDS = 7 * 24 * 3600.0
_YEAR_9999 = 253_370_764_800.0  # seconds since 1970
MOST_POINTS = 50  # handed out at a time


def parse(body: bytes) -> dict[str, Any]:
  """Parses a JSON object; raises ValueError for anything else."""
  try:
    found = json.loads(body, parse_constant=_refuse)
  except RecursionError as error:
    raise ValueError('nested too deeply') from error
  if not isinstance(found, dict):
    raise ValueError('not an object')
  return found


def answer(body: dict[str, Any]) -> queue_lib.Answer:
  """Parses an answer; raises ValueError if a field is missing or invalid.

  The store checks that the point and the label exist.
  """
  kind = _one_of(body, 'answer', _ANSWERS)
  label = body.get('label')
  if (kind == 'label') != (type(label) is int):
    raise ValueError('label must be an integer, and only where there is one')
  seconds = _number(body, 'seconds', _MOST_SECONDS)
  return queue_lib.Answer(
    request=text(body, 'point', 1000),
    answer=kind,
    label=label,
    seconds=seconds,
    how=records.How(
      active_seconds=_number(body, 'active', seconds),
      mode=_one_of(body, 'mode', _MODES),
      key=text(body, 'key', 64),
    ),
    time=_time(body),
  )


class Comment(NamedTuple):
  """A comment on a point."""

  request: str  # its id
  text: str  # '': an earlier one is taken back
  key: str
  time: float | None  # when it was given, since 1970; None: now


def comment(body: dict[str, Any]) -> Comment:
  """Parses a comment; raises ValueError if a field is missing or invalid."""
  return Comment(
    request=text(body, 'point', 1000),
    text=comments.checked(body.get('text')),
    key=text(body, 'key', 64),
    time=_time(body),
  )


def _time(body: dict[str, Any]) -> float | None:
  return _number(body, 'at', _YEAR_9999) if 'at' in body else None


def text(body: dict[str, Any], field: str, longest: int) -> str:
  """Returns a string of 1 to `longest` characters; else raises ValueError."""
  value = body.get(field)
  if not isinstance(value, str) or not 0 < len(value) <= longest:
    raise ValueError(f'{field} must be a text of 1 to {longest} characters')
  return value


def want(body: dict[str, Any]) -> int:
  """Returns how many points a page asks for; ValueError if invalid."""
  value = body.get('want')
  if type(value) is not int or not 0 <= value <= MOST_POINTS:
    raise ValueError(f'want must be 0 to {MOST_POINTS}')
  return value


def image(body: dict[str, Any]) -> int:
  """Returns the number of an image; ValueError if it is none."""
  value = body.get('image')
  if type(value) is not int or not 0 <= value < 10**9:
    raise ValueError('image must be the number of an image')
  return value


def part(body: dict[str, Any], field: str) -> str:
  """Returns part of a name, '' for any name; ValueError if invalid."""
  value = body.get(field)
  if not isinstance(value, str) or len(value) > 1000:
    raise ValueError(f'{field} must be a text of at most 1000 characters')
  return value


def wanted(body: dict[str, Any]) -> listing.Filter:
  """Parses a filter of answers; ValueError if a field is invalid."""
  return listing.Filter(
    which=_one_of(body, 'which', tuple(listing.WHICH)),
    label=_whole(body, 'label', 255),
    image=part(body, 'image'),
    before=_whole(body, 'before', 2**53),
  )


def share(body: dict[str, Any]) -> float:
  """Returns the share to review, 0 to 1; ValueError if invalid."""
  return _number(body, 'share', 1.0)


def _whole(body: dict[str, Any], field: str, most: int) -> int | None:
  value = body.get(field)
  if value is not None and (type(value) is not int or not 0 <= value <= most):
    raise ValueError(f'{field} must be null or an integer of 0 to {most}')
  return value


def _one_of(body: dict[str, Any], field: str, choices: tuple[str, ...]) -> str:
  value = body.get(field)
  if value not in choices:
    raise ValueError(f'{field} must be one of {", ".join(choices)}')
  return value


def _number(body: dict[str, Any], field: str, most: float) -> float:
  value = body.get(field)
  if isinstance(value, bool) or not isinstance(value, int | float):
    raise ValueError(f'{field} must be a number')
  if not 0 <= value <= most:  # also rejects NaN
    raise ValueError(f'{field} must be 0 to {most:g}')
  return float(value)


def _refuse(constant: str) -> None:
  raise ValueError(f'{constant} is not JSON')
