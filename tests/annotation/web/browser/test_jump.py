"""The way to an image, and back to the usual order."""

import pytest

from pointsup_jax.annotation import store as store_lib

pytest.importorskip('selenium.webdriver')
from browsing import (
  IMAGES,
  come_in,
  label,
  open_sheet,
  press,
  shown,
  text,
  wait,
)
from selenium.webdriver.common import by, keys

pytestmark = pytest.mark.slow


@pytest.fixture
def order(server):
  with store_lib.Store(server.folder / 'annotations.sqlite') as store:
    return [request.id for request in store.ordered()]


def entries(page):
  return page.execute_script(
    "return [...document.querySelectorAll('#jump-list button')].map("
    "(x) => x.innerText.replaceAll('\\n', ' '))"
  )


def test_an_images_questions_come_and_then_the_usual_order(page, server, order):
  assert label(page, '1') == order[0]
  press(page, ';')
  wait(lambda: len(entries(page)) == IMAGES)
  assert entries(page)[0] == '1 town/000 9 open'
  assert text(page, 'jump-found').startswith('3 images')
  # Whoever types and presses Enter at once does not get an earlier list's.
  press(page, '002' + keys.Keys.ENTER)
  wait(lambda: shown(page) == order[20])
  assert not page.find_element(by.By.ID, 'jump-sheet').is_displayed()
  wait(lambda: text(page, 'live') == 'Now: town/002.')
  expected = [*order[20:30], *order[1:20]]
  assert [label(page, '2') for _ in expected[:-1]] == expected[:-1]
  press(page, '2')
  wait(lambda: 'All points are answered' in text(page, 'rest'))
  said = [point for point, _ in server.answers()]
  assert said == [order[0], *expected]


def test_images_are_chosen_by_arrows_and_by_number(page, order):
  press(page, ';')
  wait(lambda: len(entries(page)) == IMAGES)
  press(page, keys.Keys.ARROW_DOWN)
  press(page, keys.Keys.ARROW_DOWN)
  press(page, keys.Keys.ENTER)
  wait(lambda: shown(page) == order[10])
  page.find_element(by.By.ID, 'jump').click()
  wait(lambda: len(entries(page)) == IMAGES)
  press(page, '1')
  wait(
    lambda: [x.split()[1] for x in entries(page)] == ['town/000', 'town/001']
  )
  press(page, keys.Keys.ESCAPE)  # empties the search, as browsers do
  wait(lambda: len(entries(page)) == IMAGES)
  press(page, keys.Keys.ESCAPE)
  wait(lambda: not page.find_element(by.By.ID, 'jump-sheet').is_displayed())
  assert shown(page) == order[10]  # nothing was chosen


def test_a_phone_has_the_way_in_its_menu(page, order):
  page.set_window_size(500, 900)
  wait(lambda: not page.find_element(by.By.ID, 'jump').is_displayed())
  open_sheet(page, 'jump')
  wait(lambda: len(entries(page)) == IMAGES)
  page.find_elements(by.By.CSS_SELECTOR, '#jump-list button')[1].click()
  wait(lambda: shown(page) == order[10])


def test_answers_that_wait_are_saved_before_the_jump(page, server, order):
  press(page, ';')
  wait(lambda: len(entries(page)) == IMAGES)
  press(page, keys.Keys.ESCAPE)
  server.kill()
  for _ in range(2):
    label(page, '1')
  page.execute_script(
    "return import('/static/queue.js').then((x) => x.jump('town/001'))"
  )
  assert label(page, '1') == order[2]  # meanwhile one goes on
  server.start()
  wait(lambda: shown(page) == order[10])
  assert [x for x, _ in server.answers()] == order[:3]
  expected = [*order[10:20], order[3]]
  assert [label(page, '2') for _ in expected] == expected


def test_an_image_that_others_have_answered_meanwhile_is_said(
  page, server, order
):
  press(page, ';')
  wait(lambda: len(entries(page)) == IMAGES)
  with store_lib.Store(server.folder / 'annotations.sqlite') as store:
    store.answer_many(dict.fromkeys(order[10:20], 1), 'eva')
  page.find_elements(by.By.CSS_SELECTOR, '#jump-list button')[1].click()
  wait(lambda: 'Nothing is open for you in town/001' in text(page, 'live'))
  assert shown(page) == order[0]
  press(page, ';')
  wait(lambda: 'town/001 nothing open for you' in ' '.join(entries(page)))
  last = page.find_elements(by.By.CSS_SELECTOR, '#jump-list button')[-1]
  assert not last.is_enabled()


def test_who_comes_back_goes_on_in_the_image(browser, server, order):
  link = server.start()
  come_in(browser, link)
  press(browser, ';')
  wait(lambda: len(entries(browser)) == IMAGES)
  press(browser, '2' + keys.Keys.ENTER)
  wait(lambda: shown(browser) == order[10])
  label(browser, '1')
  wait(lambda: text(browser, 'count') == '1 of 30')
  browser.refresh()
  wait(lambda: shown(browser) == order[11])
