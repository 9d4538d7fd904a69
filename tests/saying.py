"""What a user is told."""

from collections.abc import Callable

from pointsup_jax import errors


def refusal(
  call: Callable[[], object], kind: type[Exception] = errors.UserError
) -> str:
  """The one line that a user sees; '' where the call is fine."""
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
  """The one line that a user sees."""
  text = refusal(call, kind)
  assert text, 'nothing was refused'
  return text


def usage(call: Callable[[], object]) -> str:
  """The one line about a command or a config that a user sees."""
  return message(call, errors.UsageError)
