"""The page in a real browser, by key presses alone, through every mishap."""

import os
import pathlib
import re
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import time

import browsers
import numpy as np
import pages
import pytest

from pointsup_jax.annotation import store as store_lib

selenium = pytest.importorskip('selenium.webdriver')
from selenium.webdriver.common import by, keys  # noqa: E402

pytestmark = pytest.mark.slow

# Notes when a key goes down and when the next point is on the screen.
STOPWATCH = """
  window.times = [];
  let pressed = 0;
  addEventListener('keydown', () => { pressed = performance.now(); }, true);
  new MutationObserver(() => requestAnimationFrame(() => {
    window.times.push(performance.now() - pressed);
  })).observe(document.body, {attributeFilter: ['data-point']});
"""
IMAGES = 3


@pytest.fixture
def browser(tmp_path):
  browser = browsers.open_new(tmp_path)
  yield browser
  browser.quit()


class Server:
  """The server in a process of its own, always on the same port."""

  def __init__(self, folder):
    self.folder = folder
    with socket.create_server(('127.0.0.1', 0)) as free:
      self.port = free.getsockname()[1]
    pages.fill(folder / 'annotations.sqlite', IMAGES, per_image=10)

  def start(self):
    """Starts it and returns its link."""
    here = pathlib.Path(__file__).parent
    arguments = (self.folder, self.port, IMAGES)
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

  def answers(self):
    """(point, label) of all that stands, in order; None: unsure."""
    with store_lib.Store(self.folder / 'annotations.sqlite') as store:
      return [(x.request, x.label) for x in store.answers_by_person()]


@pytest.fixture
def server(tmp_path):
  server = Server(tmp_path)
  yield server
  server.process.kill()
  server.process.wait()
  server.process.stderr.close()


def wait(condition, seconds=20):
  """Waits until something is true, and gives it back."""
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
  # The link's own page goes on to the one that asks for a name.
  asks = "return document.getElementById('name-sheet')?.open"
  wait(lambda: browser.execute_script(asks))
  press(browser, name + keys.Keys.ENTER)
  wait(lambda: shown(browser))


def label(browser, key):
  """Presses a key, waits for the next point and returns the one answered."""
  point = shown(browser)
  press(browser, key)
  wait(lambda: shown(browser) != point)
  return point


def test_every_answer_survives_undo_reload_and_a_killed_server(
  browser, server, capsys
):
  come_in(browser, server.start())
  assert browser.current_url == f'http://127.0.0.1:{server.port}/'
  browser.execute_script(STOPWATCH)
  expected = [(label(browser, key), int(key) - 1) for key in '1231231231' * 2]
  times = browser.execute_script('return window.times')
  wait(lambda: text(browser, 'count') == '20 of 30')
  assert server.answers() == expected

  # Undo brings the point back, and the next answer replaces the old one.
  press(browser, keys.Keys.BACKSPACE)
  wait(lambda: shown(browser) == expected[-1][0])
  wait(lambda: text(browser, 'count') == '19 of 30')
  expected[-1] = (label(browser, '2'), 1)
  expected.append((label(browser, 'u'), None))
  wait(lambda: text(browser, 'count') == '21 of 30')

  browser.refresh()
  wait(lambda: shown(browser) not in (None, *(x for x, _ in expected)))
  assert server.answers() == expected

  # Nobody is there: answers wait, the page says so, and nothing is counted.
  server.process.send_signal(signal.SIGKILL)
  server.process.wait()
  expected += [(label(browser, '1'), 0), (label(browser, '3'), 2)]
  wait(lambda: '2 answers wait' in text(browser, 'notice'))
  assert text(browser, 'count') == '21 of 30'
  assert server.answers() == expected[:-2]
  server.start()
  wait(lambda: text(browser, 'count') == '23 of 30')
  assert text(browser, 'notice') == ''

  for _ in range(6):
    expected.append((label(browser, '2'), 1))
  last = shown(browser)
  press(browser, '1')
  expected.append((last, 0))
  wait(lambda: 'All points are answered' in text(browser, 'rest'))
  assert server.process.wait(timeout=20) == 0
  assert server.answers() == expected
  assert len({point for point, _ in expected}) == 30

  middle = statistics.median(times)
  with capsys.disabled():
    print(f'\nkey to next point: {middle:.0f} ms in the middle of {len(times)}')
  assert middle < 100


def test_times_are_what_passed_and_pauses_are_left_out(browser, server):
  come_in(browser, server.start())
  time.sleep(1.0)
  point = label(browser, '1')
  wait(lambda: server.answers())
  database = sqlite3.connect(server.folder / 'annotations.sqlite')
  ((seconds, active),) = database.execute(
    'SELECT seconds, active_seconds FROM answers WHERE request_id = ?', [point]
  )
  database.close()
  assert 1.0 <= active <= seconds < 5.0


def test_the_magnifier_shows_the_asked_pixel_and_leaves_it_free(
  browser, server
):
  come_in(browser, server.start())
  for _ in range(5):
    label(browser, '1')
  _, row, col = re.fullmatch(r'(.*)-r(\d+)-c(\d+)', shown(browser)).groups()
  footprint = pages.Images()[0].image[
    2 * int(row) : 2 * int(row) + 2, 2 * int(col) : 2 * int(col) + 2
  ]
  corners = browser.execute_script("""
    const canvas = document.getElementById('magnifier');
    const context = canvas.getContext('2d');
    const [x, y] = [canvas.width / 2, canvas.height / 2];
    return [[-3, -3], [-3, 2], [2, -3], [2, 2]].map(([dy, dx]) =>
      [...context.getImageData(x + dx, y + dy, 1, 1).data].slice(0, 3));
  """)
  np.testing.assert_array_equal(corners, footprint.reshape(4, 3))


def test_keys_that_are_held_or_pressed_with_control_answer_nothing(
  browser, server
):
  come_in(browser, server.start())
  first = shown(browser)
  browser.execute_script("""
    for (const how of [{repeat: true}, {ctrlKey: true}, {metaKey: true}])
      document.dispatchEvent(new KeyboardEvent('keydown', {key: '1', ...how}));
  """)
  time.sleep(0.3)
  assert shown(browser) == first
  assert server.answers() == []


def test_search_confirm_and_skip_by_keys_alone(browser, server):
  come_in(browser, server.start())
  first = shown(browser)
  press(browser, '/')
  press(browser, 'sk' + keys.Keys.ENTER)
  wait(lambda: shown(browser) != first)
  second = shown(browser)
  press(browser, keys.Keys.ENTER)  # the guess is hidden: it means nothing
  assert text(browser, 'hint') == ''
  press(browser, 'm')
  wait(lambda: 'The model says car' in text(browser, 'hint'))
  label(browser, keys.Keys.ENTER)
  third = label(browser, 's')
  wait(lambda: len(server.answers()) == 3)
  assert server.answers() == [(first, 2), (second, 1), (third, None)]
  with store_lib.Store(server.folder / 'annotations.sqlite') as store:
    assert [x.mode for x in store.answers_by_person()] == [
      'blind',
      'confirm',
      'confirm',
    ]


def test_the_help_sheet_opens_and_closes_by_keys(browser, server):
  come_in(browser, server.start())
  first = shown(browser)
  press(browser, '?')
  sheet = browser.find_element(by.By.ID, 'help-sheet')
  wait(sheet.is_displayed)
  press(browser, '1')  # it is no answer now
  press(browser, keys.Keys.ENTER)
  wait(lambda: not sheet.is_displayed())
  assert shown(browser) == first
  assert label(browser, '2') == first
  wait(lambda: server.answers() == [(first, 1)])


def test_what_a_closed_window_could_not_send_is_sent_by_the_next(
  browser, server
):
  link = server.start()
  come_in(browser, link)
  server.process.send_signal(signal.SIGKILL)
  server.process.wait()
  expected = [(label(browser, '1'), 0), (label(browser, '2'), 1)]
  browser.get('about:blank')
  assert server.start() == link
  browser.get(link)
  wait(lambda: server.answers() == expected)


def test_marks_are_hidden_while_space_is_held(browser, server):
  come_in(browser, server.start())
  pixels = "return document.getElementById('magnifier').toDataURL()"
  marked = browser.execute_script(pixels)
  held = "document.dispatchEvent(new KeyboardEvent('%s', {key: ' '}));"
  browser.execute_script(held % 'keydown')
  assert browser.execute_script(pixels) != marked
  browser.execute_script(held % 'keyup')
  assert browser.execute_script(pixels) == marked


def test_a_pause_of_more_than_30_seconds_is_not_counted(browser, server):
  come_in(browser, server.start())
  browser.execute_script("""
    const real = performance.now.bind(performance);
    performance.now = () => real() + 100000;  // 100 s later
  """)
  label(browser, '1')
  wait(lambda: server.answers())
  with store_lib.Store(server.folder / 'annotations.sqlite') as store:
    (said,) = store.answers_by_person()
  assert 100 < said.seconds < 110
  assert 29.9 < said.active_seconds < 40


def test_an_earlier_answer_can_be_changed_or_left(browser, server):
  come_in(browser, server.start())
  first, second = label(browser, '1'), label(browser, '2')
  current = shown(browser)
  wait(lambda: text(browser, 'count') == '2 of 30')
  browser.find_elements(by.By.CSS_SELECTOR, '#history button')[1].click()
  wait(lambda: shown(browser) == first)
  press(browser, keys.Keys.ESCAPE)
  wait(lambda: shown(browser) == current)
  browser.find_elements(by.By.CSS_SELECTOR, '#history button')[1].click()
  wait(lambda: shown(browser) == first)
  label(browser, '3')
  wait(lambda: server.answers() == [(second, 1), (first, 2)])
  assert shown(browser) == current


def test_hostile_names_are_shown_as_text_and_nothing_goes_wrong(
  browser, server
):
  come_in(browser, server.start())
  browser.execute_script("""
    session.classes[0].name = '<img src=x onerror=alert(1)>';
    buildClasses();
  """)
  assert '<img src=x' in text(browser, 'classes')
  assert not browser.find_elements(by.By.CSS_SELECTOR, '#classes img')
  errors = [x for x in browser.get_log('browser') if x['level'] == 'SEVERE']
  assert errors == []


def test_disputes_are_settled_on_the_page(browser, server):
  path = server.folder / 'annotations.sqlite'
  with store_lib.Store(path) as store:
    disputed = store.requests()[-1].id
    store.answer(disputed, 0, 'ben')
    store.answer(disputed, 2, 'eva')
  come_in(browser, server.start())
  first = shown(browser)
  browser.find_element(by.By.ID, 'agree').click()
  settle = browser.find_element(by.By.ID, 'settle')
  wait(settle.is_displayed)
  assert 'ben, eva' in text(browser, 'pairs')
  settle.click()
  wait(lambda: shown(browser) == disputed)
  assert 'ben says road, eva says sky' in text(browser, 'hint')
  press(browser, '1')
  wait(lambda: shown(browser) == first)  # back to what is open
  wait(lambda: server.answers()[-1] == (disputed, 0))
  with store_lib.Store(path) as store:
    assert store.answers_by_person()[-1].mode == 'adjudicate'
  label(browser, '2')
  wait(lambda: server.answers()[-1] == (first, 1))


def cells(browser):
  """The plan's table."""
  return browser.execute_script("""
    return [...document.querySelectorAll('#budgets tr')].map((row) =>
      [row.getAttribute('aria-current'),
        ...[...row.cells].map((cell) => cell.innerText)]);
  """)


@pytest.mark.parametrize('size', [(1280, 800), (1024, 768)])
def test_the_plan_opens_by_keys_marks_where_one_is_and_fits(
  browser, server, size
):
  browser.set_window_size(*size)
  come_in(browser, server.start())
  for _ in range(6):
    label(browser, '1')
  wait(lambda: text(browser, 'count') == '6 of 30')
  sheet = browser.find_element(by.By.ID, 'plan-sheet')
  button = browser.find_element(by.By.ID, 'plan')
  browser.execute_script('arguments[0].focus({focusVisible: true})', button)
  press(browser, keys.Keys.ENTER)
  wait(sheet.is_displayed)
  assert '6 of 30 answers are given, 24 are left' in text(browser, 'plan-work')
  assert '2.0 s an answer, assumed' in text(browser, 'plan-pace')
  table = cells(browser)
  assert [row[0] for row in table] == [None, 'step', None, None, None]
  assert table[0][1:] == ['10%', '3', '1', '1', '10%', 'done']
  assert table[1][1:] == [
    'now  25%', '8', '1', '2', '27%', 'less than a minute'
  ]  # fmt: skip
  assert table[4][1:] == ['100%', '30', '3', '9', '100%', '1 min']
  # Nothing has to be scrolled for, and whoever cannot see is told the title.
  assert browser.execute_script(
    """
    const [sheet] = arguments;
    const box = sheet.getBoundingClientRect();
    return sheet.scrollWidth <= sheet.clientWidth
      && sheet.scrollHeight <= sheet.clientHeight && box.top >= 0
      && box.bottom <= innerHeight && sheet.contains(document.activeElement);
  """,
    sheet,
  )
  assert sheet.accessible_name == 'Plan'

  point = shown(browser)
  press(browser, '2')  # it is no answer now
  press(browser, keys.Keys.ESCAPE)
  wait(lambda: not sheet.is_displayed())
  assert shown(browser) == point
  assert browser.switch_to.active_element == button
  assert label(browser, '3') == point
  wait(lambda: server.answers()[-1] == (point, 2))

  # By mouse; then Space hides the marks rather than opening it again.
  button.click()
  wait(sheet.is_displayed)
  press(browser, keys.Keys.ESCAPE)
  wait(lambda: not sheet.is_displayed())
  assert browser.switch_to.active_element != button


def test_the_plan_tells_time_at_ones_own_pace(browser, server):
  come_in(browser, server.start())
  for _ in range(20):
    label(browser, '1')
  wait(lambda: text(browser, 'count') == '20 of 30')
  browser.find_element(by.By.ID, 'plan').click()
  wait(lambda: 'median of your 20 answers' in text(browser, 'plan-pace'))
  assert [row[0] for row in cells(browser)] == [None, None, None, 'step', None]
