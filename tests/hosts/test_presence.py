"""What processes of one run say of themselves, without others."""

import pytest

from pointsup_jax.hosts import presence, stopping


def test_one_that_works_alone_gets_on(monkeypatch):
  """Or the others would end it, and themselves, after half an hour of it."""
  marks = []
  monkeypatch.setattr(presence, 'mark', lambda place='': marks.append(place))
  stopping.by_first(stopping.check, 'the answers')
  assert marks == ['']


@pytest.mark.parametrize(
  ('index', 'state', 'accuses'),
  [(1, 'here', True), (0, 'here', False), (1, 'left', False)],
)
def test_none_that_is_ending_accuses_the_first(
  monkeypatch, index, state, accuses
):
  one = presence.Presence.__new__(presence.Presence)
  one.index, one._state = index, state
  said = []
  monkeypatch.setattr(one, 'accuse', said.append)
  one.first_is_lost()
  assert said == ['process 0 is gone'] * accuses
