"""Which network is scored, asks, predicts and is exported."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import players
import pytest

from configs import streets_active
from pointsup_jax.data import image_files
from pointsup_jax.hosts import json_files
from pointsup_jax.prediction import loaded_model, predicting, standalone
from pointsup_jax.report import gather, predictions
from pointsup_jax.run import config_file, context, methods
from pointsup_jax.run import workdir as workdir_lib
from pointsup_jax.stages import acquire, evaluate, initial_state
from pointsup_jax.training import checkpoint

SIZE = (32, 64)
# The class that each network sees everywhere.
SEES = {'segmenter': 7, 'teacher': 3}


def one_class(variables, index):
  """The variables with a main head that sees this class alone."""
  head = jax.tree.map(jnp.zeros_like, variables['params']['main_head'])
  bias = head['conv0']['bias'].at[index].set(9.0)
  head['conv0'] = head['conv0'] | {'bias': bias}
  params = variables['params'] | {'main_head': head}
  return variables | {'params': params}


def open_run(folder, model='segmenter'):
  config = streets_active.get_config()
  for domain in ('source', 'target', 'evaluation'):
    config.data[domain].update(size=SIZE, length=2)
  config.acquire.update(grid=(2, 4), k=2, n=2)
  config.model.update(blocks=(1, 1, 1, 1), width=4)
  config.uda.update(strategy='teacher', source_only_steps=0)
  config.evaluate.model = model
  return context.open_run(config, workdir_lib.Workdir(folder))


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
  """The last state of stage 1, and its checkpoint's folder."""
  run = open_run(tmp_path_factory.mktemp('trained'))
  config_file.claim(run.workdir, run.config, run.classes)
  learner = initial_state.build_learner(run)
  playing = methods.build(run.config, 'teacher', 1).players

  def init(key):
    segmenter = learner.init_segmenter(key)
    state = learner.init(key, one_class(segmenter, SEES['segmenter']), playing)
    teacher = state.opponents['teacher']
    params = one_class(teacher.params, SEES['teacher'])
    return state.replace(
      step=jnp.int32(5), opponents={'teacher': teacher.replace(params=params)}
    )

  state = jax.jit(init)(jax.random.key(0))
  phase = run.workdir.uda
  with checkpoint.Checkpoints(phase.checkpoints, keep=1) as checkpoints:
    checkpoints.save(state)
  return state, run.workdir.root


@pytest.fixture(params=SEES)
def run(request, trained):
  opened = open_run(trained[1], request.param)
  # Once stage 2 has begun, the network stays the same.
  shutil.rmtree(opened.workdir.stage('acquire'), ignore_errors=True)
  config_file.claim(opened.workdir, opened.config, opened.classes)
  return opened


def test_its_own_variables_are_read(run, trained):
  state, _ = trained
  variables = {
    'segmenter': state.segmenter,
    'teacher': state.opponents['teacher'].params,
  }
  network = run.config.evaluate.model
  step, found = run.trained(run.workdir.uda)
  assert step == 5
  players.assert_equal(found, variables[network])
  loaded = loaded_model.load(run.workdir.root)
  players.assert_equal(loaded.variables, variables[network])
  for about in (
    predicting.about(loaded, []),
    standalone.describe(loaded, SIZE),
  ):
    assert about['network'] == network


def test_training_goes_on_from_the_segmenter(run, trained):
  learner = initial_state.build_learner(run)
  phases = run.workdir.adapt, run.workdir.uda
  state = initial_state.fresh_state(run, learner, {}, *phases)
  players.assert_equal(state.segmenter, trained[0].segmenter)


def test_a_phase_without_a_teacher_keeps_its_segmenter(run):
  assert run.network(run.workdir.source_only) == 'segmenter'
  assert run.network(run.workdir.adapt) == 'segmenter'  # AdvEnt's


def test_it_is_scored_and_named(run):
  network = run.config.evaluate.model
  # Scores of the other network do not count.
  found = gather.gather(run)
  assert not found.scores
  evaluate.score(run)
  path = run.workdir.evaluation('uda', run.config.data.evaluation.split)
  scores = json_files.read(path)
  predicted = np.sum(scores['confusion'], axis=0)
  assert np.flatnonzero(predicted).tolist() == [SEES[network]]
  assert scores['network'] == network
  title = {'segmenter': 'UDA', 'teacher': 'UDA (teacher)'}[network]
  assert [x.column for x in gather.gather(run).scores] == [title]
  image = np.zeros((*SIZE, 3), np.uint8)
  (maps,) = predictions.predict_function(run)(run.workdir.uda, [image])
  assert (maps.labels == SEES[network]).all()


def test_it_asks_for_points(run):
  acquire.ask(run)
  for name in run.source('target', labelled=False).names:
    labels = image_files.read_labels(run.workdir.pseudo_label(name), SIZE)
    assert (labels == SEES[run.config.evaluate.model]).all()
