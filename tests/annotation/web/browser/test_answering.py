"""Answers that are given on the page arrive, once, whatever happens."""

import datetime
import json
import statistics
import time

import pytest

from pointsup_jax.annotation import store as store_lib

pytest.importorskip('selenium.webdriver')
from browsing import (
  STOPWATCH,
  come_in,
  in_module,
  label,
  press,
  shown,
  text,
  wait,
)
from selenium.webdriver.common import by, keys

pytestmark = pytest.mark.slow


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


def test_what_a_closed_window_kept_is_sent_by_the_next(browser, server):
  link = server.start()
  come_in(browser, link)
  server.kill()
  expected = [(label(browser, '1'), 0), (label(browser, '2'), 1)]
  browser.get('about:blank')
  assert server.start() == link
  browser.get(link)
  wait(lambda: server.answers() == expected)


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
  hostile = "module.session.classes[0].name = '<img src=x onerror=alert(1)>'"
  in_module(page, 'session', hostile)
  in_module(page, 'classes', 'module.build(() => {})')
  assert '<img src=x' in text(page, 'classes')
  assert not page.find_elements(by.By.CSS_SELECTOR, '#classes img')
  errors = [x for x in page.get_log('browser') if x['level'] == 'SEVERE']
  assert errors == []


def test_undo_shows_what_was_said_and_can_put_it_back(page, server):
  first, second = label(page, '1'), label(page, '3')
  current = shown(page)
  wait(lambda: len(server.answers()) == 2)
  press(page, keys.Keys.BACKSPACE)
  wait(lambda: shown(page) == second)
  assert 'Taken back: sky' in text(page, 'hint')
  before = page.find_element(by.By.CSS_SELECTOR, '#classes .before')
  assert 'sky' in before.text
  wait(lambda: server.answers() == [(first, 0)])
  page.find_element(by.By.ID, 'leave').click()  # puts it back
  wait(lambda: server.answers() == [(first, 0), (second, 2)])
  wait(lambda: shown(page) == current)
  assert text(page, 'hint') == ''
  assert not page.find_elements(by.By.CSS_SELECTOR, '#classes .before')


def test_points_taken_back_one_after_the_other_come_again(page, server):
  points = [label(page, key) for key in '123']
  current = shown(page)
  for point in reversed(points):
    press(page, 'z')
    wait(lambda point=point: shown(page) == point)
  wait(lambda: server.answers() == [])
  assert [label(page, key) for key in '321'] == points
  wait(lambda: shown(page) == current)
  expected = list(zip(points, (2, 1, 0), strict=True))
  wait(lambda: server.answers() == expected)


def test_an_earlier_answer_is_withdrawn_only_by_saying_so(page, server):
  first = label(page, '1')
  wait(lambda: text(page, 'count') == '1 of 30')
  page.find_element(by.By.CSS_SELECTOR, '#history button').click()
  wait(lambda: shown(page) == first)
  assert 'You said road' in text(page, 'hint')
  assert server.answers() == [(first, 0)]
  page.find_element(by.By.ID, 'withdraw').click()
  wait(lambda: server.answers() == [])
  assert shown(page) == first
  assert 'Taken back: road' in text(page, 'hint')
  assert label(page, '2') == first
  wait(lambda: server.answers() == [(first, 1)])


POINT = """
  return import('/static/queue.js').then(
    (module) => JSON.stringify(module.queue.now));
"""


def test_many_answers_given_offline_all_arrive(page, server):
  """More than the server hands out points for at a time."""
  server.kill()
  point = json.loads(page.execute_script(POINT))
  expected = []
  with store_lib.Store(server.folder / 'annotations.sqlite') as store:
    points = [x.id for x in store.unanswered()]
  for i in range(45):
    one = {**point, 'id': points[i % 30]}
    add = "module.add(%s, 'label', %d, {seconds: 1, active: 1}, 'blind')"
    in_module(page, 'answers', add % (json.dumps(one), i % 3))
    expected.append((points[i % 30], i % 3))
  server.start()
  in_module(page, 'queue', 'module.send()')
  with store_lib.Store(server.folder / 'annotations.sqlite') as store:
    rows = 'SELECT request_id, label FROM answers ORDER BY seq'
    wait(lambda: len(store.database.query(rows)) == len(expected))
    assert store.database.query(rows) == expected
