import pathlib

import pytest

from pointsup_jax import config as config_lib
from pointsup_jax.run import workdir as workdir_lib
from pointsup_jax.stages import adapt


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
