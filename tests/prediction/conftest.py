import pathlib

import pytest
import using

from pointsup_jax.prediction import loaded_model


@pytest.fixture(scope='session')
def workdir(tmp_path_factory) -> pathlib.Path:
  """A run whose data set is gone; do not change it."""
  folder = tmp_path_factory.mktemp('trained')
  made = using.train(folder)
  (folder / 'data').rename(folder / 'images_of_the_run')
  return made


@pytest.fixture(scope='session')
def images(workdir) -> pathlib.Path:
  """The folder of the images that the run was evaluated on."""
  return workdir.parent / 'images_of_the_run' / 'images'


@pytest.fixture(scope='session')
def trained(workdir) -> loaded_model.Loaded:
  return loaded_model.load(workdir)
