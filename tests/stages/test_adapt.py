import pathlib

import pytest

from configs import streets_active
from pointsup_jax import config as config_lib
from pointsup_jax.run import context
from pointsup_jax.run import workdir as workdir_lib
from pointsup_jax.stages import adapt, initial_state


@pytest.mark.parametrize(
  ('initial', 'source_only_steps', 'round', 'folder'),
  [
    ('start', 0, 1, None),
    ('start', 5, 1, 'uda/source_only'),
    ('start', 5, 3, 'uda/source_only'),
    ('uda', 5, 1, 'uda'),
    ('uda', 0, 3, 'uda'),
    ('asking', 5, 1, 'uda'),
    ('asking', 5, 2, 'adapt/round_1'),
    ('asking', 5, 3, 'adapt/round_2'),
  ],
)
def test_where_stage_3_starts(initial, source_only_steps, round, folder):
  config = config_lib.get_config()
  config.adapt.initial = initial
  config.uda.source_only_steps = source_only_steps
  workdir = workdir_lib.Workdir(pathlib.Path('run'), 3, round)
  phase = adapt.initial(config, workdir)
  found = None if phase is None else workdir.place(phase)
  assert found == folder


@pytest.mark.parametrize(('own', 'end'), [(0, 650), (1200, 1200)])
def test_stage_3_may_decay_over_steps_of_its_own(
  own, end, tmp_path, monkeypatch
):
  config = streets_active.get_config()
  config.adapt.decay_steps = own
  run = context.open_run(config, workdir_lib.Workdir(tmp_path / 'run'))
  trained = []
  monkeypatch.setattr(
    adapt.phase, 'train', lambda run, *_, **__: trained.append(run.config)
  )
  monkeypatch.setattr(adapt, 'point_labelled', lambda run, images: images)
  adapt.train(run)
  of_step = initial_state.rates(trained[0].optim, {})
  assert of_step(end)['lr'] > 0 == of_step(end + 1)['lr']
  assert run.config.optim.decay_steps == 650  # other stages' are as before
