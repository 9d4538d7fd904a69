"""The list of one's own answers, and the way from it to a point and back."""

import pytest

pytest.importorskip('selenium.webdriver')
from browsing import label, press, shown, text, wait
from selenium.webdriver.common import by, keys

pytestmark = pytest.mark.slow


def entries(page):
  return page.execute_script(
    "return [...document.querySelectorAll('#list button')].map("
    "(x) => x.innerText.replace('\\n', ' '))"
  )


def choose(page, words):
  path = f"//select[@id='list-kind']//option[text()='{words}']"
  page.find_element(by.By.XPATH, path).click()


def test_an_answer_is_found_in_the_list_and_corrected(page, server):
  points = [label(page, key) for key in '123u12312311']  # more than the strip
  current = shown(page)
  wait(lambda: text(page, 'count') == '12 of 30')
  press(page, '.')
  wait(lambda: len(entries(page)) == 12)
  assert text(page, 'list-found').startswith('12 answers')
  choose(page, 'unsure')
  wait(lambda: len(entries(page)) == 1)
  assert entries(page)[0].startswith('unsure town/000')
  choose(page, 'road')
  wait(lambda: len(entries(page)) == 5)
  page.find_element(by.By.ID, 'list-image').send_keys('001')
  wait(lambda: len(entries(page)) == 2)
  page.find_element(by.By.ID, 'list-image').clear()
  page.find_element(by.By.ID, 'list-image').send_keys('000')
  wait(lambda: len(entries(page)) == 3)

  page.find_elements(by.By.CSS_SELECTOR, '#list button')[-1].click()
  wait(lambda: shown(page) == points[0])
  assert 'You said road' in text(page, 'hint')
  press(page, '3')
  wait(lambda: shown(page) == current)
  wait(lambda: server.answers()[-1] == (points[0], 2))
  # The list opens as it was left, without what is no longer so.
  page.find_element(by.By.ID, 'answers').click()
  wait(lambda: len(entries(page)) == 2)
  press(page, keys.Keys.ESCAPE)
  wait(lambda: not page.find_element(by.By.ID, 'answers-sheet').is_displayed())
  assert label(page, '1') == current
