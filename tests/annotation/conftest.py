import pytest

from pointsup_jax.annotation import store as store_lib


@pytest.fixture
def path(tmp_path):
  return tmp_path / 'annotations.sqlite'


@pytest.fixture
def store(path):
  with store_lib.Store(path, 19) as store:
    yield store
