"""The page in a real browser: a server in its own process, and key presses."""

import os
import pathlib
import re
import socket
import subprocess
import sys
import time

import pages
import pytest

from pointsup_jax.annotation import store as store_lib

pytest.importorskip('selenium.webdriver')
from selenium.webdriver.common import by, keys

IMAGES = 3
# Times each key press until the next point is shown.
STOPWATCH = """
  window.times = [];
  let pressed = 0;
  addEventListener('keydown', () => { pressed = performance.now(); }, true);
  new MutationObserver(() => requestAnimationFrame(() => {
    window.times.push(performance.now() - pressed);
  })).observe(document.body, {attributeFilter: ['data-point']});
"""


class Server:
  """The server in its own process, always on the same port."""

  def __init__(self, folder, classes=3, **points):
    self.folder, self.classes = folder, classes
    with socket.create_server(('127.0.0.1', 0)) as free:
      self.port = free.getsockname()[1]
    points = {'images': IMAGES, 'per_image': 10} | points
    self.images = points['images']
    pages.fill(folder / 'annotations.sqlite', **points)

  def start(self):
    """Starts the server and returns its link."""
    here = pathlib.Path(__file__).parent
    arguments = (self.folder, self.port, self.images, 0, self.classes)
    self.process = subprocess.Popen(
      [sys.executable, here / 'serving.py', *map(str, arguments)],
      stderr=subprocess.PIPE,
      text=True,
      env={**os.environ, 'PYTHONPATH': str(here.parents[2])},
    )
    for line in self.process.stderr:
      if found := re.search(r'http://\S+', line):
        return found.group()
    raise AssertionError('the server did not start')

  def kill(self):
    self.process.kill()
    self.process.wait()

  def said(self):
    with store_lib.Store(self.folder / 'annotations.sqlite') as store:
      return store.answers_by_person()

  def answers(self, person=None):
    """(point, label) of current answers, in order; None: unsure."""
    return [
      (x.request, x.label) for x in self.said() if person in (None, x.annotator)
    ]


def wait(condition, seconds=60):
  end = time.monotonic() + seconds
  while not (found := condition()):
    assert time.monotonic() < end, 'nothing happened'
    time.sleep(0.01)
  return found


def press(browser, key):
  browser.switch_to.active_element.send_keys(key)


def shown(browser):
  return browser.execute_script('return document.body.dataset.point')


def text(browser, element):
  return browser.find_element(by.By.ID, element).text


def come_in(browser, link, name='ana'):
  browser.get(link)
  # The link's page redirects to the one that asks for a name.
  asks = "return document.getElementById('name-sheet')?.open"
  wait(lambda: browser.execute_script(asks))
  press(browser, name + keys.Keys.ENTER)
  wait(lambda: shown(browser))


def open_sheet(browser, name):
  """Opens a sheet of the menu by mouse and returns it."""
  browser.find_element(by.By.ID, 'menu').click()
  browser.find_element(by.By.CSS_SELECTOR, f'[data-sheet={name}]').click()
  sheet = browser.find_element(by.By.ID, f'{name}-sheet')
  wait(sheet.is_displayed)
  return sheet


def label(browser, key):
  """Presses a key, waits for the next point and returns the one answered."""
  point = shown(browser)
  press(browser, key)
  wait(lambda: shown(browser) != point)
  return point


def in_module(browser, name, script):
  """Runs a script in which `module` is one of the page's."""
  return browser.execute_script(
    f"return import('/static/{name}.js').then((module) => {{ {script} }})"
  )
