"""Every config is one that a run takes."""

import importlib
import pathlib

import pytest

from pointsup_jax.run import config_check

FOLDER = pathlib.Path(__file__).parents[2] / 'configs'
NAMES = sorted(
  path.stem
  for path in FOLDER.glob('*.py')
  if 'def get_config' in path.read_text()
)


@pytest.mark.parametrize('name', NAMES)
def test_it_is_accepted(name):
  config_check.check(importlib.import_module(f'configs.{name}').get_config())


def test_the_best_differs_from_the_main_job_as_its_docstring_says():
  best, main = (
    importlib.import_module(f'configs.{name}').get_config()
    for name in ('streets_best', 'streets_active')
  )
  for domain in (best.data.source, best.data.target):
    domain.mirror = 0.0
  best.adapt.update(initial='start', steps=500, decay_steps=0)
  assert best == main
