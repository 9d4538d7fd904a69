"""A failure to join ends the command: it must not go on alone."""

import jax
import pytest

from pointsup_jax import errors
from pointsup_jax.hosts import joining, processes


@pytest.mark.parametrize(
  ('raised', 'seen'),
  [
    (RuntimeError('no route'), errors.UserError),
    (OSError('no route'), errors.UserError),  # from a cluster's metadata server
    (KeyError('no route'), KeyError),
  ],
)
def test_an_error_while_joining_is_raised(monkeypatch, raised, seen):
  def initialize(**unused):
    raise raised

  monkeypatch.setattr(jax.distributed, 'initialize', initialize)
  with pytest.raises(seen, match='no route'):
    joining.start('auto', 5.0)
  assert not processes.joined
