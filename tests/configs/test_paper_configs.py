import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import saying

from configs import gta_active, paper_rows, synthia_active
from pointsup_jax.data import domains
from pointsup_jax.run import augmentations, config_check, workdir
from pointsup_jax.run import context as run_lib
from pointsup_jax.stages import initial_state
from pointsup_jax.training import optimizers


@pytest.mark.parametrize('config', [gta_active, synthia_active])
@pytest.mark.parametrize('row', paper_rows.ROWS)
def test_every_row_is_a_right_config_and_is_in_the_docstring(config, row):
  checked = config.get_config(row)
  checked.model.weights = 'FILE'  # as the docstring says
  assert row in config.__doc__
  for name in domains.NAMES:
    assert augmentations.in_words(checked.data[name]) == ''
  if config is gta_active and row == 'dada':
    said = saying.usage(lambda: config_check.check(checked))
    assert "data.source.dataset='gta5' has none" in said
    return
  config_check.check(checked)
  config_check.check_classes(checked, domains.classes_of(checked.data).names)


def test_the_rows_are_those_of_the_tables():
  def setting(row):
    config = gta_active.get_config(row)
    stages = (config.uda, config.adapt, config.acquire)
    return (*(stage.strategy for stage in stages), config.acquire.k)

  assert setting('minent')[0] == 'minent'
  assert setting('self_training')[:3] == ('intrada', 'advent', 'self_training')
  assert setting('random') == ('intrada', 'advent', 'random', 10)
  assert setting('active') == ('intrada', 'advent', 'active', 10)
  assert setting('k3') == ('intrada', 'advent', 'active', 3)
  config = gta_active.get_config()
  assert config.acquire.n == 5
  assert tuple(config.acquire.grid) == (8, 16)
  assert config.optim.weight_decay == 1e-4
  assert tuple(config.data.source.size) == (760, 1280)
  assert tuple(config.data.target.size) == (512, 1024)
  assert config.adapt.pseudo_labels == 'points'
  assert config.model.bn == 'batch'


def test_an_unknown_row_comes_with_those_there_are():
  with pytest.raises(ValueError, match='self_training'):
    gta_active.get_config('actve')


@pytest.fixture(scope='module')
def learner():
  config = gta_active.get_config()
  with config.unlocked():
    config.optim.weight_decay = 0.0
  run = run_lib.open_run(config, workdir.Workdir('unused'))
  return initial_state.build_learner(run)


@pytest.mark.parametrize('step', [0, 60_000, 119_999])
def test_learning_rates(learner, step):
  """Compares one step on a unit gradient, from zero moments."""
  rate = (1 - step / 250_000) ** 0.9
  params = {
    part: {'conv': {'kernel': jnp.zeros(2)}}
    for part in ('conv1', *optimizers.HEADS)
  }
  ones = jax.tree.map(jnp.ones_like, params)
  state = learner.segmenter_tx.init(params)._replace(steps=jnp.int32(step))
  updates, _ = learner.segmenter_tx.update(ones, state, params)
  moved = {part: -float(x['conv']['kernel'][0]) for part, x in updates.items()}
  np.testing.assert_allclose(moved['conv1'], 2.5e-4 * rate, rtol=1e-5)
  for head in optimizers.HEADS:
    np.testing.assert_allclose(moved[head], 2.5e-3 * rate, rtol=1e-5)

  params = {'kernel': jnp.zeros(2)}
  state = learner.optimizers['opponent'].init(params)
  state = optax.tree_utils.tree_set(state, count=jnp.int32(step))
  updates, _ = learner.optimizers['opponent'].update(
    {'kernel': jnp.ones(2)}, state, params
  )
  # Adam's bias corrections.
  momentum = 0.1 / (1 - 0.9 ** (step + 1))
  scale = np.sqrt(0.01 / (1 - 0.99 ** (step + 1)))
  np.testing.assert_allclose(
    -updates['kernel'][0], 1e-4 * rate * momentum / scale, rtol=1e-4
  )
