"""The page in a real browser, mostly by key presses."""

import datetime
import os
import pathlib
import re
import socket
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

# Times each key press until the next point is shown.
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
  """The server in its own process, always on the same port."""

  def __init__(self, folder):
    self.folder = folder
    with socket.create_server(('127.0.0.1', 0)) as free:
      self.port = free.getsockname()[1]
    pages.fill(folder / 'annotations.sqlite', IMAGES, per_image=10)

  def start(self):
    """Starts the server and returns its link."""
    here = pathlib.Path(__file__).parent
    arguments = (self.folder, self.port, IMAGES, 0)
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

  def answers(self):
    """(point, label) of all current answers, in order; None: unsure."""
    return [(x.request, x.label) for x in self.said()]


@pytest.fixture
def server(tmp_path):
  server = Server(tmp_path)
  yield server
  server.kill()
  server.process.stderr.close()


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


@pytest.fixture
def page(browser, server):
  come_in(browser, server.start())
  return browser


def label(browser, key):
  """Presses a key, waits for the next point and returns the one answered."""
  point = shown(browser)
  press(browser, key)
  wait(lambda: shown(browser) != point)
  return point


def test_answers_survive_undo_reload_and_a_killed_server(page, server, capsys):
  assert page.current_url == f'http://127.0.0.1:{server.port}/'
  page.execute_script(STOPWATCH)
  expected = [(label(page, key), int(key) - 1) for key in '1231231231' * 2]
  times = page.execute_script('return window.times')
  wait(lambda: text(page, 'count') == '20 of 30')
  assert server.answers() == expected

  press(page, keys.Keys.BACKSPACE)
  wait(lambda: shown(page) == expected[-1][0])
  wait(lambda: text(page, 'count') == '19 of 30')
  expected[-1] = (label(page, '2'), 1)
  expected.append((label(page, 'u'), None))
  wait(lambda: text(page, 'count') == '21 of 30')

  page.refresh()
  wait(lambda: shown(page) not in (None, *(x for x, _ in expected)))
  assert server.answers() == expected

  # Without a server answers wait, the page says so and nothing is counted.
  server.kill()
  expected += [(label(page, '1'), 0), (label(page, '3'), 2)]
  wait(lambda: '2 answers wait' in text(page, 'notice'))
  assert text(page, 'count') == '21 of 30'
  assert server.answers() == expected[:-2]
  server.start()
  wait(lambda: text(page, 'count') == '23 of 30')
  assert text(page, 'notice') == ''

  expected += [(label(page, '2'), 1) for _ in range(6)]
  last = shown(page)
  press(page, '1')
  expected.append((last, 0))
  wait(lambda: 'All points are answered' in text(page, 'rest'))
  assert server.process.wait(timeout=20) == 0
  assert server.answers() == expected
  assert len({point for point, _ in expected}) == 30

  middle = statistics.median(times)
  with capsys.disabled():
    print(f'\nkey to next point: {middle:.0f} ms in the middle of {len(times)}')
  assert middle < 100


def test_times_are_what_passed_and_pauses_are_left_out(page, server):
  time.sleep(1.0)
  point = label(page, '1')
  (said,) = wait(server.said)
  assert said.request == point
  assert 1.0 <= said.active_seconds <= said.seconds < 5.0


def test_the_magnifier_shows_the_asked_pixel_and_leaves_it_free(page):
  for _ in range(5):
    label(page, '1')
  _, row, col = re.fullmatch(r'(.*)-r(\d+)-c(\d+)', shown(page)).groups()
  top, left = 2 * int(row), 2 * int(col)
  footprint = pages.Images()[0].image[top : top + 2, left : left + 2]
  corners = page.execute_script("""
    const canvas = document.getElementById('magnifier');
    const context = canvas.getContext('2d');
    const [x, y] = [canvas.width / 2, canvas.height / 2];
    return [[-3, -3], [-3, 2], [2, -3], [2, 2]].map(([dy, dx]) =>
      [...context.getImageData(x + dx, y + dy, 1, 1).data].slice(0, 3));
  """)
  np.testing.assert_array_equal(corners, footprint.reshape(4, 3))


def test_keys_held_or_pressed_with_control_answer_nothing(page, server):
  first = shown(page)
  page.execute_script("""
    for (const how of [{repeat: true}, {ctrlKey: true}, {metaKey: true}])
      document.dispatchEvent(new KeyboardEvent('keydown', {key: '1', ...how}));
  """)
  time.sleep(0.3)
  assert shown(page) == first
  assert server.answers() == []


def test_capslock_answers_no_other_class_and_shift_does(page, server):
  page.execute_script("session.classes[0].key = 'c'")
  expected = []
  for capital, key, shift, label_ in (
    (False, 'C', False, 0),  # with CapsLock
    (False, 'C', True, 0),  # no class has a capital
    (True, 'C', False, 0),
    (True, 'C', True, 1),
    (True, 'c', True, 1),  # with CapsLock
    (True, 'c', False, 0),
    (True, 'U', False, None),  # a command, with CapsLock
  ):
    page.execute_script(f"session.classes[1].key = '{'C' if capital else '2'}'")
    point = shown(page)
    page.execute_script(f"""
      document.body.dispatchEvent(new KeyboardEvent('keydown', {{
        key: '{key}', shiftKey: {str(shift).lower()}, bubbles: true}}));
    """)
    wait(lambda point=point: shown(page) != point)
    expected.append((point, label_))
  wait(lambda: len(server.answers()) == len(expected))
  assert server.answers() == expected


def test_answers_given_offline_keep_their_time_and_order(page, server):
  server.kill()
  point, before = label(page, '1'), time.time()
  time.sleep(2)
  with store_lib.Store(server.folder / 'annotations.sqlite') as store:
    store.answer(point, 2, 'ana')  # on another device, later
    server.start()
    wait(lambda: text(page, 'count') == '1 of 30')
    wait(lambda: len(store.database.query('SELECT 1 FROM answers')) == 3)
    rows = store.database.query('SELECT time FROM answers WHERE label = 0')
  ((given,),) = rows
  given = datetime.datetime.fromisoformat(given).timestamp()
  assert abs(given - before) < 1
  assert server.answers() == [(point, 2)]


def test_an_import_is_seen_by_an_open_page(page, server):
  label(page, '1')
  current = shown(page)
  with store_lib.Store(server.folder / 'annotations.sqlite') as store:
    points = [request.id for request in store.unanswered()]
    store.answer_many({x: 2 for x in points[:20]}, 'eva')
  assert label(page, '1') == current  # beside the import's
  wait(lambda: text(page, 'count') == '21 of 30')
  # What was on its way to the screen makes room.
  wait(lambda: shown(page) == points[20])
  assert label(page, '1') == points[20]


def test_search_confirm_and_skip_by_keys_alone(page, server):
  first = shown(page)
  press(page, '/')
  press(page, 'sk' + keys.Keys.ENTER)
  wait(lambda: shown(page) != first)
  second = shown(page)
  press(page, keys.Keys.ENTER)  # has no meaning: the guess is hidden
  assert text(page, 'hint') == ''
  press(page, 'm')
  wait(lambda: 'The model says car' in text(page, 'hint'))
  label(page, keys.Keys.ENTER)
  third = label(page, 's')
  wait(lambda: len(server.answers()) == 3)
  assert server.answers() == [(first, 2), (second, 1), (third, None)]
  assert [x.mode for x in server.said()] == ['blind', 'confirm', 'confirm']


def test_the_help_sheet_opens_and_closes_by_keys(page, server):
  first = shown(page)
  press(page, '?')
  sheet = page.find_element(by.By.ID, 'help-sheet')
  wait(sheet.is_displayed)
  press(page, '1')  # no answer at this moment
  press(page, keys.Keys.ENTER)
  wait(lambda: not sheet.is_displayed())
  assert shown(page) == first
  assert label(page, '2') == first
  wait(lambda: server.answers() == [(first, 1)])


def test_what_a_closed_window_kept_is_sent_by_the_next(browser, server):
  link = server.start()
  come_in(browser, link)
  server.kill()
  expected = [(label(browser, '1'), 0), (label(browser, '2'), 1)]
  browser.get('about:blank')
  assert server.start() == link
  browser.get(link)
  wait(lambda: server.answers() == expected)


def test_marks_are_hidden_while_space_is_held(page):
  pixels = "return document.getElementById('magnifier').toDataURL()"
  marked = page.execute_script(pixels)
  held = "document.dispatchEvent(new KeyboardEvent('%s', {key: ' '}));"
  page.execute_script(held % 'keydown')
  assert page.execute_script(pixels) != marked
  page.execute_script(held % 'keyup')
  assert page.execute_script(pixels) == marked


def test_a_pause_of_more_than_30_seconds_is_not_counted(page, server):
  page.execute_script("""
    const real = performance.now.bind(performance);
    performance.now = () => real() + 100000;  // 100 s later
  """)
  label(page, '1')
  (said,) = wait(server.said)
  assert 100 < said.seconds < 110
  assert 29.9 < said.active_seconds < 40


def test_an_earlier_answer_can_be_changed_or_left(page, server):
  first, second = label(page, '1'), label(page, '2')
  current = shown(page)
  wait(lambda: text(page, 'count') == '2 of 30')
  page.find_elements(by.By.CSS_SELECTOR, '#history button')[1].click()
  wait(lambda: shown(page) == first)
  press(page, keys.Keys.ESCAPE)
  wait(lambda: shown(page) == current)
  page.find_elements(by.By.CSS_SELECTOR, '#history button')[1].click()
  wait(lambda: shown(page) == first)
  label(page, '3')
  wait(lambda: server.answers() == [(second, 1), (first, 2)])
  assert shown(page) == current


def test_hostile_names_are_shown_as_text_and_nothing_goes_wrong(page):
  page.execute_script("""
    session.classes[0].name = '<img src=x onerror=alert(1)>';
    buildClasses();
  """)
  assert '<img src=x' in text(page, 'classes')
  assert not page.find_elements(by.By.CSS_SELECTOR, '#classes img')
  errors = [x for x in page.get_log('browser') if x['level'] == 'SEVERE']
  assert errors == []


def test_disputes_are_settled_on_the_page(browser, server):
  with store_lib.Store(server.folder / 'annotations.sqlite') as store:
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
  wait(lambda: shown(browser) == first)  # back to the open point
  wait(lambda: server.answers()[-1] == (disputed, 0))
  assert server.said()[-1].mode == 'adjudicate'
  label(browser, '2')
  wait(lambda: server.answers()[-1] == (first, 1))


def cells(browser):
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
  now = ['now  25%', '8', '1', '2', '27%', 'less than a minute']
  assert table[1][1:] == now
  assert table[4][1:] == ['100%', '30', '3', '9', '100%', '1 min']
  # The sheet fits without scrolling and has the focus for screen readers.
  fits = """
    const [sheet] = arguments;
    const box = sheet.getBoundingClientRect();
    return sheet.scrollWidth <= sheet.clientWidth
      && sheet.scrollHeight <= sheet.clientHeight && box.top >= 0
      && box.bottom <= innerHeight && sheet.contains(document.activeElement);
  """
  assert browser.execute_script(fits, sheet)
  assert sheet.accessible_name == 'Plan'

  point = shown(browser)
  press(browser, '2')  # no answer at this moment
  press(browser, keys.Keys.ESCAPE)
  wait(lambda: not sheet.is_displayed())
  assert shown(browser) == point
  assert browser.switch_to.active_element == button
  assert label(browser, '3') == point
  wait(lambda: server.answers()[-1] == (point, 2))

  # After a click, Space hides the marks and does not reopen the sheet.
  button.click()
  wait(sheet.is_displayed)
  press(browser, keys.Keys.ESCAPE)
  wait(lambda: not sheet.is_displayed())
  assert browser.switch_to.active_element != button


def test_the_plan_tells_time_at_ones_own_pace(page):
  for _ in range(20):
    label(page, '1')
  wait(lambda: text(page, 'count') == '20 of 30')
  page.find_element(by.By.ID, 'plan').click()
  wait(lambda: 'median of your 20 answers' in text(page, 'plan-pace'))
  assert [row[0] for row in cells(page)] == [None, None, None, 'step', None]
