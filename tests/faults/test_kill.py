import harness
import pytest
from launching import STREETS, TINY

pytestmark = pytest.mark.slow

SEED = 0
KILLS = 25


def test_killed_at_25_moments_and_still_the_same(tmp_path):
  flags = (
    STREETS,
    *TINY,
    *harness.PEOPLE,
    '--config.data.target.length=24',
  )
  chains, _ = harness.soak(flags, tmp_path, kills=KILLS, seed=SEED, jobs=2)
  kills = [kill for chain in chains for kill in chain.kills]
  for kill in kills:
    print(kill)  # shown if the test fails
  assert [chain.differences for chain in chains] == [[]] * len(chains)
  assert len(kills) >= KILLS
  assert {kill.stage for kill in kills} == set(harness.STAGES)
  assert sum(kill.in_save for kill in kills) >= 3
