"""Which key means what on the page."""

import time

import pytest

pytest.importorskip('selenium.webdriver')
from browsing import in_module, label, press, shown, text, wait
from selenium.webdriver.common import by, keys

pytestmark = pytest.mark.slow


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
  in_module(page, 'keys', "module.change('class', 0, 'c')")
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
    key_ = 'C' if capital else '2'
    in_module(page, 'keys', f"module.change('class', 1, '{key_}')")
    point = shown(page)
    page.execute_script(f"""
      document.body.dispatchEvent(new KeyboardEvent('keydown', {{
        key: '{key}', shiftKey: {str(shift).lower()}, bubbles: true}}));
    """)
    wait(lambda point=point: shown(page) != point)
    expected.append((point, label_))
  wait(lambda: len(server.answers()) == len(expected))
  assert server.answers() == expected


def test_a_wrong_key_is_felt_and_answers_nothing(page, server):
  first = shown(page)
  press(page, 'q')
  wait(lambda: 'Q is no class' in text(page, 'flash'))
  assert 'shaken' in page.find_element(by.By.ID, 'stage').get_attribute('class')
  wait(lambda: text(page, 'flash') == '')
  assert (shown(page), server.answers()) == (first, [])


def test_keys_are_changed_in_the_help_and_kept_for_their_annotator(
  page, server
):
  def set_key(list_, place, key):
    buttons = f'#{list_} dt:nth-of-type({place}) button'
    page.find_element(by.By.CSS_SELECTOR, buttons).click()
    press(page, key)
    return page.find_element(by.By.CSS_SELECTOR, buttons).text

  page.find_element(by.By.ID, 'help').click()
  assert set_key('class-keys', 1, 'x') == 'X'
  # A key that is taken changes places with the one it replaces.
  assert set_key('class-keys', 2, '3') == '3'
  assert '3 was that of sky' in text(page, 'keys-said')
  assert set_key('commands-keys', 1, 'w') == 'W'  # unsure
  press(page, keys.Keys.ESCAPE)
  expected = []
  for _ in range(2):
    for key, label_ in (('x', 0), ('3', 1), ('2', 2), ('w', None)):
      expected.append((label(page, key), label_))
    wait(lambda: server.answers() == expected)
    page.refresh()
    known = {x for x, _ in expected}
    wait(lambda known=known: shown(page) not in (None, *known))
    caps = page.find_elements(by.By.CSS_SELECTOR, '#classes kbd')
    assert [x.text for x in caps] == ['X', '3', '2']
  # Others keep theirs.
  page.delete_cookie(f'points-name-{server.port}')
  page.refresh()
  wait(lambda: page.find_element(by.By.ID, 'name-sheet').is_displayed())
  press(page, 'ben' + keys.Keys.ENTER)
  wait(lambda: shown(page))
  caps = page.find_elements(by.By.CSS_SELECTOR, '#classes kbd')
  assert [x.text for x in caps] == ['1', '2', '3']
