"""Checks every file that a config reads, and reports what is in them.

  python -m launch.check --config=configs/NAME.py [--config.FIELD=VALUE ...]

Also draws a sheet of images with their labels over them. Exit code 1: do not
train on these data. Lines that begin with "doubtful" are for you to judge.
"""

import pathlib

import ml_collections
from absl import flags

from pointsup_jax import command
from pointsup_jax.data import inspection
from pointsup_jax.hosts import progress
from pointsup_jax.run import (
  config_check,
  context,
  data_check,
  methods,
  predicted,
  workdir,
)

_SHEET = flags.DEFINE_string(
  'sheet', None, 'PNG of examples; runs/check-<config name>.png if not given.'
)


def main() -> None:
  """Inspects the data."""
  sheet = _SHEET.value or f'runs/check-{command.config_name()}.png'
  print(judge(command.config(), pathlib.Path(sheet)))


def judge(config: ml_collections.ConfigDict, sheet: pathlib.Path) -> str:
  """Inspects the data and returns a verdict.

  Raises errors.UserError for what `launch.main` would refuse.
  """
  config_check.check(config)
  for note in config_check.notes(config):
    progress.show(f'note: {note}')
  run = context.open_run(config, workdir.Workdir(pathlib.Path()))
  config_check.check_classes(config, run.classes.names)
  depth = methods.need(config, 'depth')
  doubtful = inspection.inspect(config, sheet, depth=depth)
  data_check.open_all(run)
  if config.uda.predictions:
    predicted.read_all(run)
  if doubtful:
    return f'nothing is wrong, but {doubtful} lines are doubtful: look at them'
  return 'all right'


if __name__ == '__main__':
  command.run(main)
