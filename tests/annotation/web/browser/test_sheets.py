"""Help, plan, agreement, review, guide and downloads."""

import pytest

from pointsup_jax.annotation import store as store_lib

pytest.importorskip('selenium.webdriver')
from browsing import come_in, label, open_sheet, press, shown, text, wait
from selenium.webdriver.common import by, keys

pytestmark = pytest.mark.slow


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


def test_disputes_are_settled_on_the_page(browser, server):
  with store_lib.Store(server.folder / 'annotations.sqlite') as store:
    disputed = store.requests()[-1].id
    store.answer(disputed, 0, 'ben')
    store.answer(disputed, 2, 'eva')
  come_in(browser, server.start())
  first = shown(browser)
  open_sheet(browser, 'agreement')
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


def test_answers_of_others_are_looked_at_one_by_one(browser, server):
  with store_lib.Store(server.folder / 'annotations.sqlite') as store:
    points = [request.id for request in store.ordered()]
    for point, said in zip(points, (0, 1, 2), strict=False):
      store.answer(point, said, 'ben')
    store.mark(points[3], 'unsure', 'ben')
    store.answer(points[4], 0, 'ben')
    store.answer(points[4], 1, 'eva')
  come_in(browser, server.start())
  first = shown(browser)
  assert first == points[5]
  open_sheet(browser, 'review')
  wait(lambda: 'to look at' in text(browser, 'review-found'))
  browser.find_element(by.By.CSS_SELECTOR, '#review-share [value="1"]').click()
  wait(lambda: text(browser, 'review-found') == '5 points to look at.')
  browser.find_element(by.By.ID, 'review-start').click()
  wait(lambda: shown(browser) == points[0])
  wait(lambda: 'ben says road' in text(browser, 'hint'))
  assert label(browser, keys.Keys.ENTER) == points[0]  # accepts
  assert label(browser, '1') == points[1]  # corrects
  wait(lambda: browser.find_element(by.By.ID, 'agree').is_displayed())
  browser.find_element(by.By.ID, 'agree').click()  # as fingers do
  wait(lambda: 'ben says unsure' in text(browser, 'hint'))
  assert label(browser, keys.Keys.ENTER) == points[3]
  wait(lambda: 'eva says car' in text(browser, 'hint'))
  press(browser, keys.Keys.ENTER)  # nobody can be agreed with
  assert shown(browser) == points[4]
  browser.find_element(by.By.ID, 'leave').click()  # ends it
  wait(lambda: shown(browser) == first)
  expected = list(zip(points, (0, 0, 2, None), strict=False))
  mine = [(x.request, x.label) for x in server.said() if x.annotator == 'ana']
  assert mine == expected
  assert {x.mode for x in server.said() if x.annotator == 'ana'} == {'confirm'}
  assert label(browser, '2') == first
  wait(lambda: len(server.said()) == 11)
  assert server.said()[-1].mode == 'blind'

  open_sheet(browser, 'agreement')
  wait(lambda: 'ana' in text(browser, 'people'))
  rows = text(browser, 'people').split('\n')
  assert [row.split()[0] for row in rows] == ['ana', 'ben', 'eva']
  assert rows[0].split()[-2:] == ['20%', '67%']  # unsure, same as others


def test_the_guide_tells_and_shows_what_belongs_to_a_class(browser, server):
  with store_lib.Store(server.folder / 'annotations.sqlite') as store:
    points = [request.id for request in store.ordered()]
    store.answer_many(dict.fromkeys(points[-8:], 0), 'ben')
    store.answer(points[-1], 0, 'eva')
  come_in(browser, server.start())
  loaded = (
    'return [...document.querySelectorAll("#guide img")].filter('
    '(x) => x.naturalWidth > 0).map((x) => x.alt)'
  )
  assert browser.execute_script(loaded) == []  # not before it is opened
  open_sheet(browser, 'guide')
  wait(lambda: len(browser.execute_script(loaded)) == 7)
  assert browser.execute_script(loaded) == [
    'Example of road',
    'road: two or more people agree',
    *["road: one person's answer"] * 5,
  ]
  assert 'what cars drive on' in text(browser, 'guide')
  assert 'Crops with a cross' in text(browser, 'guide-answers')


def test_all_answers_are_downloaded_from_the_menu(page, server):
  point = label(page, '2')
  wait(lambda: len(server.answers()) == 1)
  found = page.execute_async_script("""
    const [done] = arguments;
    const link = document.querySelector('a[download]');
    fetch(link.href).then((reply) => reply.text()).then(done);
  """)
  assert f'{point},car,ana,' in found


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
  button = browser.find_element(by.By.ID, 'menu')
  browser.execute_script('arguments[0].focus({focusVisible: true})', button)
  press(browser, keys.Keys.ENTER)
  press(browser, keys.Keys.ENTER)  # the first of the menu
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
  open_sheet(browser, 'plan')
  press(browser, keys.Keys.ESCAPE)
  wait(lambda: not sheet.is_displayed())
  assert browser.switch_to.active_element != button


def test_the_plan_tells_time_at_ones_own_pace(page):
  for _ in range(20):
    label(page, '1')
  wait(lambda: text(page, 'count') == '20 of 30')
  open_sheet(page, 'plan')
  wait(lambda: 'median of your 20 answers' in text(page, 'plan-pace'))
  assert [row[0] for row in cells(page)] == [None, None, None, 'step', None]
