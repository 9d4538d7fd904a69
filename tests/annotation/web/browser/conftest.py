import browsers
import browsing
import pytest


@pytest.fixture
def browser(tmp_path):
  browser = browsers.open_new(tmp_path)
  yield browser
  browser.quit()


@pytest.fixture
def server(tmp_path):
  server = browsing.Server(tmp_path)
  yield server
  server.kill()
  server.process.stderr.close()


@pytest.fixture
def page(browser, server):
  browsing.come_in(browser, server.start())
  return browser
