"""Headless Chromium; skips the test if there is none."""

import pathlib
import shutil

import pytest

FLAGS = (
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
  '--window-size=1280,800',
)


def open_new(folder: pathlib.Path):
  """Chromium with its profile in the folder; the caller quits it."""
  webdriver = pytest.importorskip('selenium.webdriver')
  chromium, driver = map(shutil.which, ('chromium', 'chromedriver'))
  if chromium is None or driver is None:
    pytest.skip('chromium and chromedriver are not installed')
  options = webdriver.ChromeOptions()
  options.binary_location = chromium
  for flag in (*FLAGS, f'--user-data-dir={folder / "profile"}'):
    options.add_argument(flag)
  options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
  return webdriver.Chrome(options, webdriver.ChromeService(driver))


def open_offline(folder: pathlib.Path):
  """Like `open_new`, without network access."""
  browser = open_new(folder)
  browser.set_network_conditions(
    offline=True, latency=0, download_throughput=0, upload_throughput=0
  )
  return browser
