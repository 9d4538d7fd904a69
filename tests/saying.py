"""What a user is told."""

from collections.abc import Callable

import pytest

from pointsup_jax import errors


def message(call: Callable[[], object]) -> str:
  """The one line that a user sees."""
  with pytest.raises(errors.UserError) as caught:
    call()
  text = str(caught.value)
  assert '\n' not in text
  return text
