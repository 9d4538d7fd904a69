import pages
import pytest

from pointsup_jax.annotation import store as store_lib


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


@pytest.fixture
def point(page):
  return page.points()[0]


@pytest.fixture
def unchanged(path):
  """Checks that the test left the store unchanged."""

  def content():
    with store_lib.Store(path) as store:
      return store.requests(), store.answers_by_person(), store.counts()

  before = content()
  yield
  assert content() == before
