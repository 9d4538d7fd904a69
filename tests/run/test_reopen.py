import pytest
from saying import message

from configs import camvid_dusk, streets_active
from pointsup_jax import command
from pointsup_jax.data import classes
from pointsup_jax.run import config_file, workdir

MINE = classes.ClassSet(('road', 'car'), ((1, 2, 3), (4, 5, 6)), ignore_id=2)


@pytest.mark.parametrize(
  ('config', 'named'),
  [
    (streets_active.get_config(), classes.CITYSCAPES),
    (camvid_dusk.get_config(), MINE),
  ],
)
def test_config_and_classes_come_back(config, named, tmp_path):
  folder = workdir.Workdir(tmp_path / 'run')
  config_file.claim(folder, config, named)
  run = config_file.reopen(folder)
  assert run.classes == named
  again = command.flatten(run.config)
  for field, value in command.flatten(config).items():
    assert again[field] == value
  assert run.config.data.evaluation.size == config.data.evaluation.size
  assert run.segmenter().num_classes == named.num_classes


@pytest.mark.parametrize(
  'content',
  [
    '',
    '{}',
    '[]',
    '{"config": {"a": 1}}',
    '{"version": 1, "config": {"a": 1}}',
  ],
)
def test_a_damaged_config_is_named(content, tmp_path):
  folder = workdir.Workdir(tmp_path)
  assert 'no run' in message(lambda: config_file.reopen(folder))
  folder.config.write_text(content)
  assert str(folder.config) in message(lambda: config_file.reopen(folder))
