"""Comments on points, on the page."""

import pytest

from pointsup_jax.annotation import comments
from pointsup_jax.annotation import store as store_lib

pytest.importorskip('selenium.webdriver')
from browsing import label, press, shown, text, wait
from selenium.webdriver.common import by, keys

pytestmark = pytest.mark.slow


def said(server):
  with store_lib.Store(server.folder / 'annotations.sqlite') as store:
    return comments.Comments(store.database).by_request()


def test_a_comment_is_kept_offline_too_and_shown_with_its_point(page, server):
  first = label(page, '1')
  wait(lambda: text(page, 'count') == '1 of 30')
  second = shown(page)
  server.kill()
  press(page, ',')
  press(page, 'glass, <b>or</b> water?' + keys.Keys.ENTER)
  wait(lambda: 'Your comment: glass, <b>or</b> water?' in text(page, 'hint'))
  assert label(page, '2') == second
  server.start()
  wait(lambda: said(server) == {second: {'ana': 'glass, <b>or</b> water?'}})
  wait(lambda: server.answers() == [(first, 0), (second, 1)])

  page.refresh()
  wait(lambda: shown(page))
  press(page, '.')
  options = '#list-kind [value=commented]'
  page.find_element(by.By.CSS_SELECTOR, options).click()
  button = '#list li:only-child button'
  wait(lambda: page.find_elements(by.By.CSS_SELECTOR, button))
  page.find_element(by.By.CSS_SELECTOR, button).click()
  wait(lambda: shown(page) == second)
  wait(lambda: 'Your comment: glass' in text(page, 'hint'))
  page.find_element(by.By.ID, 'comment').click()
  page.find_element(by.By.ID, 'comment-text').clear()
  page.find_element(by.By.CSS_SELECTOR, '#comment-form [type=submit]').click()
  wait(lambda: said(server) == {})
  assert server.answers() == [(first, 0), (second, 1)]
