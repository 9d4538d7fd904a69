"""A finished stage whose checkpoints are gone."""

import pytest
import saying

from configs import streets_active
from pointsup_jax.hosts import devices
from pointsup_jax.prediction import loaded_model
from pointsup_jax.report import gather
from pointsup_jax.run import (
  config_file,
  context,
  dry_run,
  trained_models,
  workdir,
)
from pointsup_jax.stages import evaluate, sequence


@pytest.fixture
def run(tmp_path):
  """A finished run of two rounds with all its checkpoints (empty folders)."""
  config = streets_active.get_config()
  config.acquire.rounds = 2
  folder = workdir.Workdir(tmp_path / 'run', 2, 2)
  run = context.open_run(config, folder)
  config_file.claim(folder, config, run.classes)
  for at in (folder.at(1), folder):
    for stage in ('uda', 'acquire', 'annotate', 'adapt'):
      at.mark_done(stage)
  for name, _, phase in trained_models.all_of(folder):
    save(phase, steps(config, name))
  return run


def steps(config, name):
  early = {'source_only': config.uda.source_only_steps, 'uda': config.uda.steps}
  return early.get(name, config.adapt.steps)


def save(phase, step):
  (phase.checkpoints / str(step)).mkdir(parents=True)


def phases(run):
  return {name: x for name, _, x in trained_models.all_of(run.workdir)}


def lose(run, *names):
  for name in names:
    (phases(run)[name].checkpoints / str(steps(run.config, name))).rmdir()


def lost(run):
  return trained_models.lost(run.workdir, run.config)


@pytest.mark.parametrize(
  ('name', 'done'),
  [
    ('source_only', 'uda/DONE'),
    ('uda', 'uda/DONE'),
    ('adapt_round_1', 'adapt/round_1/DONE'),
    ('adapt', 'adapt/DONE'),
  ],
)
def test_it_is_told_with_what_to_do(run, name, done):
  assert lost(run) == {}
  lose(run, name)
  assert lost(run).keys() == {name}
  assert f'delete {run.workdir.root / done} ' in lost(run)[name]
  # An older step would be used in its place.
  save(phases(run)[name], 7)
  assert 'step 7 is left' in lost(run)[name]
  if name != 'source_only':  # it ended when the next phase began
    (run.workdir.root / done).unlink()
    assert lost(run) == {}


def test_a_run_and_its_report_tell_it(run, monkeypatch, capsys):
  nothing = dict.fromkeys(sequence.STAGES, lambda run: None)
  monkeypatch.setattr(sequence, 'STAGES', nothing)
  monkeypatch.setattr(devices, 'connect', lambda: '1 x cpu')
  lose(run, 'adapt')
  sequence.run_stages(run.config, run.workdir.at(1), 'all')
  assert f'note: {lost(run)["adapt"]}\n' in capsys.readouterr().err
  assert lost(run)['adapt'] in gather.gather(run).missing


def test_a_dry_run_tells_it(run, capsys):
  lose(run, 'uda')
  dry_run.show(run, [('report', run.workdir)])
  assert f'note: {lost(run)["uda"]}\n' in capsys.readouterr().out


def test_evaluation_without_a_model_tells_it(run):
  lose(run, *phases(run))
  text = saying.usage(lambda: evaluate.score(run))
  assert all(line in text for line in lost(run).values())


@pytest.mark.parametrize('name', [None, 'adapt', 'uda'])
def test_whoever_uses_the_model_is_told(run, name, capsys):
  lose(run, 'adapt')
  text = saying.message(lambda: loaded_model.load(run.workdir.root, name))
  said = text if name == 'adapt' else capsys.readouterr().err
  assert lost(run)['adapt'] in said


def test_whoever_needs_it_is_told(run):
  lose(run, 'uda')
  text = saying.message(lambda: run.trained(run.workdir.uda))
  assert 'there is none' in text
  assert 'DONE' in text
