"""Four steps of CLAN's published script (../shared/reference/uda)."""

import functools

import jax
import numpy as np
import published
import pytest

from pointsup_jax.models import pretrained
from pointsup_jax.training import step
from pointsup_jax.types import Outputs
from pointsup_jax.uda import clan, strategy

pytestmark = pytest.mark.slow

# Fair tolerances by reference/uda/README_road_clan_swd_ssf.md.
TOLERANCES = (1e-5, 1e-5, 5e-4, 2e-3)


@pytest.fixture(scope='module')
def steps(shared):
  return np.load(shared / 'reference' / 'uda' / 'clan_steps.npz')


@pytest.fixture(scope='module')
def run(shared):
  """The states around four published steps, with their metrics."""
  recipe = published.recipe(shared)
  method = clan.clan(
    strategy.Settings(
      Outputs(aux=0.0, main=0.001),
      decay_steps=8,
      warmup_steps=1,
      disagreement=40.0,
    )
  )
  learner = published.learner(
    decay_steps=8, warmup_steps=1, aux_reads=method.model['aux_reads']
  )
  variables = pretrained.from_torch(
    published.segmenter_tensors(shared, recipe, method.model['aux_reads'])
  )
  state = learner.init(jax.random.key(0), variables, method.players)
  params = published.opponent_params(recipe, 'd_main')
  state.opponents['main'] = state.opponents['main'].replace(params=params)
  train_step = jax.jit(
    functools.partial(
      step.train_step,
      learner=learner,
      strategy=method,
      supervision=step.Supervision(aux=1.0),
    )
  )
  states, history = [state], []
  for i in range(4):
    state, metrics = train_step(state, published.batch_of(recipe, i))
    states.append(state)
    history.append(jax.device_get(metrics))
  return states, history


@pytest.mark.parametrize('i', range(4))
def test_every_loss_of_every_published_step(run, steps, i):
  found = run[1][i]
  damping = steps['damping'][i]
  expected = {
    'loss_seg': found['source_aux'] + found['source_main'],
    'loss_adv': 0.001 * damping * found['fool_main'],
    'loss_weight': 0.02 * damping * found['heads_alike'],
    'loss_D_s': found['opponent_source'],
    'loss_D_t': found['opponent_target'],
  }
  for name, value in expected.items():
    np.testing.assert_allclose(
      value, steps[name][i], rtol=TOLERANCES[i], err_msg=name
    )


def test_every_tensor_moves_as_far_as_in_the_published_steps(run, steps):
  states = [published.tensors(state) for state in run[0]]
  of_opponent = {
    f'{own}.{leaf}': f'd_main.{2 * i}.{leaf}'
    for i, own in enumerate(('conv1', 'conv2', 'conv3', 'conv4', 'classifier'))
    for leaf in ('weight', 'bias')
  }
  for column, name in enumerate(steps['names']):
    player, _, own = str(name).partition('/')
    if player == 'opponent':
      own = of_opponent[own]
    for i in range(4):
      old, new = (np.float64(states[j][own]) for j in (i, i + 1))
      published.assert_moved(old, new, steps, column, i, name)
