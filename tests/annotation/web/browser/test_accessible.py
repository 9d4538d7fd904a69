"""The page without a mouse, and for eyes and ears of all kinds."""

import os
import pathlib

import pytest

pytest.importorskip('selenium.webdriver')
from browsing import (
  come_in,
  label,
  open_sheet,
  press,
  shown,
  text,
  wait,
)
from selenium.webdriver.common import by, keys
from selenium.webdriver.common.action_chains import ActionChains

pytestmark = pytest.mark.slow
THEMES = ('light', 'dark')
VIOLATIONS = """
  const done = arguments[arguments.length - 1];
  axe.run(document, {resultTypes: ['violations']}).then(({violations}) => done(
    violations.map(({id, nodes}) =>
      `${id}: ${nodes.map((x) => x.html.slice(0, 120)).join(' | ')}`)));
"""


@pytest.fixture
def axe():
  """The script of axe-core, which finds faults of accessibility."""
  path = os.environ.get('POINTSUP_AXE')
  if not path:
    pytest.skip('POINTSUP_AXE, the path of axe.min.js, is not set')
  return pathlib.Path(path).read_text()


def colors(browser):
  return browser.execute_script("""
    const {backgroundColor, color} = getComputedStyle(document.body);
    return [backgroundColor, color];
  """)


def prefer(browser, theme):
  browser.execute_cdp_cmd(
    'Emulation.setEmulatedMedia',
    {'features': [{'name': 'prefers-color-scheme', 'value': theme}]},
  )


def tab(browser):
  ActionChains(browser).send_keys(keys.Keys.TAB).perform()


def close(browser):
  press(browser, keys.Keys.ESCAPE)
  wait(lambda: not browser.find_elements(by.By.CSS_SELECTOR, 'dialog[open]'))


def test_the_theme_is_the_systems_until_another_is_chosen(page):
  prefer(page, 'light')
  light = colors(page)
  prefer(page, 'dark')
  dark = colors(page)
  assert light != dark
  page.find_element(by.By.ID, 'menu').click()
  page.find_element(by.By.CSS_SELECTOR, '#theme [value=light]').click()
  assert colors(page) == light
  page.refresh()
  wait(lambda: shown(page))
  assert colors(page) == light
  assert (
    page.execute_script("return document.getElementById('theme').value")
    == 'light'
  )


def test_all_is_reached_by_tab_and_a_sheet_keeps_the_focus(page, server):
  """A class is chosen with Enter, and the menu with its sheets by keys."""
  names = []
  for _ in range(60):
    tab(page)
    now = page.switch_to.active_element
    if now.tag_name != 'body':
      names.append(now.accessible_name)
    elif names:  # beyond the last
      break
  controls = page.find_elements(by.By.CSS_SELECTOR, 'main button, main input')
  controls = [x for x in controls if x.is_displayed() and x.is_enabled()]
  assert {x.accessible_name for x in controls} <= set(names)
  assert '' not in names

  first = shown(page)
  button = page.find_element(by.By.CSS_SELECTOR, '#classes button')
  page.execute_script('arguments[0].focus({focusVisible: true})', button)
  press(page, keys.Keys.ENTER)
  wait(lambda: server.answers() == [(first, 0)])
  assert page.switch_to.active_element == button  # one goes on from there
  assert text(page, 'live') == 'road.'

  page.find_element(by.By.ID, 'menu').send_keys(keys.Keys.ENTER)
  sheet = page.find_element(by.By.ID, 'menu-sheet')
  wait(sheet.is_displayed)
  inside = 'return arguments[0].contains(document.activeElement)'
  for _ in range(12):
    tab(page)
    now = page.switch_to.active_element
    assert now.tag_name == 'body' or page.execute_script(inside, sheet)


def test_axe_finds_no_fault(browser, server, axe):
  def check(where):
    browser.execute_script(axe + ';window.axe = axe;')
    for theme in THEMES:
      browser.execute_script(
        'document.documentElement.dataset.theme = arguments[0]', theme
      )
      found = browser.execute_async_script(VIOLATIONS)
      assert found == [], f'{where}, {theme}'

  link = server.start()
  browser.get(link)
  wait(lambda: browser.find_elements(by.By.CSS_SELECTOR, '#name-sheet[open]'))
  check('name')
  come_in(browser, link)
  check('annotate')
  points = [label(browser, key) for key in '12u']
  wait(lambda: text(browser, 'count') == '3 of 30')
  browser.find_element(by.By.ID, 'light').click()
  press(browser, 'm')
  check('answers, light and guess')
  press(browser, keys.Keys.BACKSPACE)
  wait(lambda: shown(browser) == points[-1])
  press(browser, '/')
  press(browser, 'ro')
  check('an earlier point and the search')
  press(browser, keys.Keys.ESCAPE)
  press(browser, 'x')
  check('a wrong key')
  browser.find_element(by.By.ID, 'menu').click()
  check('menu')
  close(browser)
  press(browser, '.')
  wait(lambda: 'answers' in text(browser, 'list-found'))
  check('list of answers')
  close(browser)
  press(browser, ';')
  wait(lambda: browser.find_elements(by.By.CSS_SELECTOR, '#jump-list li'))
  check('jump')
  close(browser)
  press(browser, ',')
  check('comment')
  close(browser)
  press(browser, '?')
  check('help')
  close(browser)
  for sheet in ('plan', 'agreement', 'review', 'guide'):
    open_sheet(browser, sheet)
    if sheet == 'guide':
      wait(lambda: browser.find_elements(by.By.CSS_SELECTOR, '.crop'))
    check(sheet)
    close(browser)
  server.kill()
  label(browser, '1')
  wait(lambda: 'No connection' in text(browser, 'notice'))
  check('no connection')
  server.start()
  wait(lambda: text(browser, 'count') == '3 of 30')
  for _ in range(26):
    label(browser, '1')
  press(browser, '1')
  wait(lambda: 'All points are answered' in text(browser, 'rest'))
  check('all done')


def test_the_language_is_the_browsers_until_another_is_chosen(page, server):
  def name():
    return page.find_element(by.By.ID, 'answers').text

  assert name() == 'Answers'
  point = shown(page)
  page.find_element(by.By.ID, 'menu').click()
  page.find_element(by.By.CSS_SELECTOR, '#language [value=de]').click()
  wait(lambda: name() == 'Antworten')
  lang = 'return document.documentElement.lang'
  assert page.execute_script(lang) == 'de'
  wait(lambda: shown(page) == point)
  assert label(page, '1') == point
  wait(lambda: text(page, 'count') == '1 von 30')
  errors = [x for x in page.get_log('browser') if x['level'] == 'SEVERE']
  assert errors == []
