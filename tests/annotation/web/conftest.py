"""A store, the site that serves it, and a browser that has come in."""

import pages
import pytest


@pytest.fixture
def path(tmp_path):
  path = tmp_path / 'annotations.sqlite'
  pages.fill(path)
  return path


@pytest.fixture
def site(path):
  site = pages.open_site(path)
  yield site
  site.store_thread.close()


@pytest.fixture
def page(site):
  return pages.Page(site)
