import jax
import jax.numpy as jnp
import numpy as np
import players
import pytest

from configs import streets_active
from pointsup_jax.models import pretrained
from pointsup_jax.run import context, workdir
from pointsup_jax.stages import initial_state
from pointsup_jax.types import Outputs
from pointsup_jax.uda import advent, minent, strategy

PLAYERS = {
  'teacher': strategy.Copy(of='weights'),
  'start': strategy.Copy(),
  'average': strategy.Copy(follows=0.9),
}


@pytest.mark.parametrize('goes_on', [False, True])
def test_what_copies_are_of(goes_on, tmp_path, monkeypatch):
  """A phase starts from the weight file, or from another phase's network."""
  config = streets_active.get_config()
  config.model.width = 4
  config.model.weights = str(tmp_path / 'file.npz')
  run = context.open_run(config, workdir.Workdir(tmp_path / 'run'))
  learner = initial_state.build_learner(run)
  keys = jax.random.split(jax.random.key(0))
  file, adapted = jax.device_get(
    [jax.jit(learner.init_segmenter)(key) for key in keys]
  )
  np.savez(config.model.weights, **pretrained.to_torch(file))
  place = jax.tree.map(jnp.asarray, adapted)
  monkeypatch.setattr(context.Run, 'trained', lambda *_, **unused: (0, place))
  state = initial_state.fresh_state(
    run,
    learner,
    PLAYERS,
    run.workdir.uda,
    run.workdir.source_only if goes_on else None,
  )
  start = adapted if goes_on else file
  players.assert_equal(state.segmenter, start)
  for name, copied in (('teacher', file), ('start', start), ('average', start)):
    players.assert_equal(state.opponents[name].params, copied)


SETTINGS = strategy.Settings(Outputs(aux=2e-4, main=1e-3))
WARM = {'warmup_steps': 4, 'decay_steps': 10, 'lr': 0.5}


@pytest.mark.parametrize('step', [1, 2, 5, 10])
def test_what_is_logged_is_the_rate_that_moves_the_segmenter(step, tmp_path):
  """As SGD without momentum and decay moves by rate times gradient."""
  config = streets_active.get_config()
  config.model.width = 4
  plain = {'momentum': 0.0, 'weight_decay': 0.0, 'repeat': False}
  config.optim.update(name='sgd', **WARM, **plain)
  run = context.open_run(config, workdir.Workdir(tmp_path / 'run'))
  tx = initial_state.build_learner(run).segmenter_tx
  params = {
    'conv1': {'kernel': jnp.zeros(1)},
    'main_head': {'conv0': {'kernel': jnp.zeros(1)}},
  }
  ones = jax.tree.map(jnp.ones_like, params)
  moved, _ = tx.update(ones, tx.init(params), params, step=step - 1)
  logged = initial_state.rates(config.optim, {})(step)
  assert logged.keys() == {'lr'}
  expected = 0.5 * (
    (step - 1) / 4 if step < 5 else (1 - (step - 1) / 10) ** 0.9
  )
  assert logged['lr'] == pytest.approx(expected)
  np.testing.assert_allclose(-moved['conv1']['kernel'], expected, rtol=1e-5)
  np.testing.assert_allclose(
    -moved['main_head']['conv0']['kernel'],
    expected * config.optim.head_lr_scale,
    rtol=1e-5,
  )


def test_opponents_have_a_rate_of_their_own_where_there_are_any():
  optim = streets_active.get_config().optim
  optim.update(**WARM, discriminator_lr=0.2)
  players = advent.advent(SETTINGS).players
  logged = initial_state.rates(optim, players)(3)
  assert logged == pytest.approx({'lr': 0.25, 'lr_opponent': 0.1})
  for others in (minent.minent(SETTINGS).players, PLAYERS):
    assert initial_state.rates(optim, others)(3).keys() == {'lr'}
