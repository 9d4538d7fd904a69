import pages
import pytest


@pytest.fixture
def path(path):
  pages.fill(path)
  return path


@pytest.fixture
def site(path):
  with pages.open_site(path) as site:
    yield site


@pytest.fixture
def page(site):
  return pages.Page(site)
