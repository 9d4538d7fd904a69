import functools
import pathlib
import re
import sys
import types

import jax
import numpy as np
import players
import pytest

from pointsup_jax import uda
from pointsup_jax.training import step
from pointsup_jax.types import Outputs
from pointsup_jax.uda import strategy

pytestmark = pytest.mark.slow

PAGE = pathlib.Path(__file__).parents[2] / 'docs' / 'ADDING_A_STRATEGY.md'


@pytest.fixture
def build(monkeypatch):
  """The strategy from docs/ADDING_A_STRATEGY.md, registered as it says."""
  code, line, *_ = re.findall(r'```python\n(.*?)```', PAGE.read_text(), re.S)
  assert len(code.splitlines()) < 40
  module = types.ModuleType('max_squares')
  monkeypatch.setitem(sys.modules, 'max_squares', module)
  exec(code, module.__dict__)
  monkeypatch.setattr(uda, 'STRATEGIES', dict(uda.STRATEGIES))
  exec(line, {'STRATEGIES': uda.STRATEGIES, 'max_squares': module})
  assert 'max_squares' in uda.names()
  return uda.STRATEGIES['max_squares']


def test_the_page_s_strategy_trains_in_both_stages(build):
  method = build(strategy.Settings(Outputs(aux=0.1, main=0.5)))
  pair = players.random_pair(0)
  for target_weight in (0.0, 1.0):
    game = {
      'learner': players.small_learner(),
      'strategy': method,
      'supervision': step.Supervision(aux=0.1, answers=target_weight),
    }
    train_step = jax.jit(functools.partial(step.train_step, **game))
    state = players.fresh_state(method)
    squares = []
    for _ in range(20):
      state, metrics = train_step(state, pair)
      squares.append(float(metrics['squares_main']))
    assert -0.5 <= squares[-1] < squares[0] < 0
    expected = metrics['source_main'] + 0.1 * metrics['source_aux']
    expected += 0.5 * metrics['squares_main'] + 0.1 * metrics['squares_aux']
    if target_weight:
      expected += metrics['answers_main'] + 0.1 * metrics['answers_aux']
    np.testing.assert_allclose(metrics['loss'], expected, rtol=1e-5)


def other_examples():
  """The page's methods with an opponent and with a view."""
  blocks = re.findall(r'```python\n(.*?)```', PAGE.read_text(), re.S)[2:]
  made = {}
  for code in blocks:
    exec(code, made)
  return [made['one_opponent'], made['mirrored']]


@pytest.mark.parametrize(
  ('which', 'weight', 'logged'),
  [(0, 1.0, {'fool_main', 'opponent_main'}), (1, 100.0, {'disagreement'})],
)
def test_the_page_s_other_methods_train(which, weight, logged):
  method = other_examples()[which](
    strategy.Settings(Outputs(aux=0.0, main=weight))
  )
  train_step = jax.jit(
    functools.partial(
      step.train_step,
      learner=players.small_learner(),
      strategy=method,
      supervision=step.Supervision(aux=0.1, answers=1.0),
    )
  )
  state, seen = players.fresh_state(method), []
  for _ in range(10):
    state, metrics = train_step(state, players.random_pair(0))
    seen.append(jax.device_get(metrics))
  assert logged <= set(seen[0])
  for name in logged - {'fool_main'}:
    assert seen[-1][name] < seen[0][name], name
