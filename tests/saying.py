"""Messages that a user sees; each must be one line."""

from collections.abc import Callable

from pointsup_jax import errors


def refusal(
  call: Callable[[], object], kind: type[Exception] = errors.UserError
) -> str:
  """The message of a refused call; '' if it succeeds."""
  text = ''
  try:
    call()
  except kind as error:
    text = str(error)
  assert '\n' not in text
  return text


def message(
  call: Callable[[], object], kind: type[Exception] = errors.UserError
) -> str:
  """The message of a call that must fail."""
  text = refusal(call, kind)
  assert text, 'nothing was refused'
  return text


def usage(call: Callable[[], object]) -> str:
  """The message of a call that must raise UsageError."""
  return message(call, errors.UsageError)
