"""Kills of methods that hold more than a segmenter and its opponents."""

import harness
import networks
import pytest
from launching import STREETS, TINY

pytestmark = pytest.mark.slow

SEED = 0

# What stages 1 and 3 hold beside a segmenter: encoders that move in every step
# and opponents that move in every fifth; an average; a frozen copy; heads and
# backbone that move apart, by random directions.
PAIRS = {
  'dise, then teacher': (
    '--config.uda.strategy=dise',
    '--config.adapt.strategy=teacher',
    '--config.losses.target_main=1.0',
  ),
  'road, then swd': (
    '--config.uda.strategy=road',
    '--config.adapt.strategy=swd',
    '--config.model.aux_reads=conv5',
    '--config.model.prediction=mean',
    '--config.losses.aux=1.0',
  ),
}


@pytest.mark.parametrize('methods', PAIRS)
def test_methods_with_more_state_go_on_as_if_nothing_was(tmp_path, methods):
  weights = networks.write_weights(tmp_path / 'weights.npz')
  flags = (
    STREETS,
    *TINY,
    *PAIRS[methods],
    '--config.uda.steps=12',
    '--config.adapt.steps=12',
    f'--config.model.weights={weights}',
  )
  moments = harness.TRAINING
  chains, _ = harness.soak(
    flags, tmp_path, kills=len(moments), seed=SEED, jobs=1, moments=moments
  )
  kills = [kill for chain in chains for kill in chain.kills]
  for kill in kills:
    print(kill)  # shown if the test fails
  assert [chain.differences for chain in chains] == [[]] * len(chains)
  assert {kill.stage for kill in kills} >= {'uda', 'adapt'}
