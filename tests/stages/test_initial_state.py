import jax
import jax.numpy as jnp
import numpy as np
import players
import pytest

from configs import streets_active
from pointsup_jax.models import pretrained
from pointsup_jax.run import context, workdir
from pointsup_jax.stages import initial_state
from pointsup_jax.uda import strategy

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
