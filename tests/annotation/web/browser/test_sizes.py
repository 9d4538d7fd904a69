"""Every control is in reach on every screen, with 40 classes."""

import browsing
import pytest

pytest.importorskip('selenium.webdriver')
from browsing import (
  come_in,
  in_module,
  label,
  open_sheet,
  press,
  shown,
  text,
  wait,
)
from selenium.webdriver.common import by, keys
from selenium.webdriver.common.action_chains import (
  ActionChains,
  ScrollOrigin,
)

from pointsup_jax.annotation import store as store_lib

pytestmark = pytest.mark.slow
CLASSES = 40
SIZES = [
  (1280, 800, False),
  (2560, 1440, False),
  (1024, 768, True),
  (768, 1024, True),
  (390, 844, True),
]
# Controls that are not wholly in sight, lie under others or are too small.
OUT_OF_REACH = """
  const least = arguments[0];
  const controls = document.querySelectorAll('button, input');
  return [...controls].filter((one) => {
    if (!one.checkVisibility() || one.closest('dialog')) return false;
    const box = one.getBoundingClientRect();
    const target = one.type === 'checkbox' || one.type === 'range'
      ? one.parentElement.getBoundingClientRect() : box;
    const top = document.elementFromPoint(
      box.x + box.width / 2, box.y + box.height / 2);
    return box.left < 0 || box.top < 0 || box.right > innerWidth
      || box.bottom > innerHeight || target.width < least
      || target.height < least || !(one.contains(top) || top?.contains(one));
  }).map((one) => one.id || one.innerText);
"""


@pytest.fixture
def server(tmp_path):
  points = {'images': 6, 'per_image': 8, 'size': (160, 320)}
  server = browsing.Server(tmp_path, CLASSES, **points)
  yield server
  server.kill()
  server.process.stderr.close()


def resize(browser, width, height, touch):
  browser.execute_cdp_cmd(
    'Emulation.setTouchEmulationEnabled',
    {'enabled': touch, 'maxTouchPoints': 5 if touch else 1},
  )
  browser.execute_cdp_cmd(
    'Emulation.setDeviceMetricsOverride',
    {
      'width': width,
      'height': height,
      'deviceScaleFactor': 1,
      'mobile': touch,
    },
  )


def pinch(browser, view):
  x = view.rect['x'] + view.rect['width'] / 2
  y = view.rect['y'] + view.rect['height'] / 2
  for kind, away in (('Start', 30), ('Move', 45), ('Move', 60), ('End', None)):
    fingers = [] if away is None else [(x - away, y), (x + away, y)]
    browser.execute_cdp_cmd(
      'Input.dispatchTouchEvent',
      {
        'type': f'touch{kind}',
        'touchPoints': [
          {'x': x, 'y': y, 'id': i} for i, (x, y) in enumerate(fingers)
        ],
      },
    )


def across(browser):
  left, _, right, _ = in_module(browser, 'view', 'return module.part()')
  return right - left


@pytest.mark.parametrize(('width', 'height', 'touch'), SIZES)
def test_points_are_labelled_without_scrolling(
  browser, server, width, height, touch
):
  least = 44 if touch else 20

  def in_reach():
    assert browser.execute_script(OUT_OF_REACH, least) == []

  resize(browser, width, height, touch)
  with store_lib.Store(server.folder / 'annotations.sqlite') as store:
    of_ben = [request.id for request in store.ordered()][-2:]
    store.answer_many(dict.fromkeys(of_ben, 0), 'ben')
  come_in(browser, server.start())
  assert (
    browser.execute_script("return matchMedia('(pointer: coarse)').matches")
    == touch
  )
  in_reach()
  buttons = browser.find_elements(by.By.CSS_SELECTOR, '#classes button')
  assert len(buttons) == CLASSES
  # The image fills its place: all between header, classes and commands.
  view = browser.find_element(by.By.ID, 'view')
  assert view.rect['width'] > 0.45 * width
  assert view.rect['height'] > 0.3 * height

  expected = []
  for i in range(CLASSES):
    point = shown(browser)
    expected.append((point, i))
    buttons[i].click()
    wait(lambda point=point: shown(browser) != point)
  wait(lambda: server.answers('ana') == expected)
  in_reach()

  near = across(browser)
  if touch:
    pinch(browser, view)
  else:
    origin = ScrollOrigin.from_element(view)
    ActionChains(browser).scroll_from_origin(origin, 0, -300).perform()
  wait(lambda: across(browser) < 0.7 * near)
  before = in_module(browser, 'view', 'return module.part()')
  ActionChains(browser).drag_and_drop_by_offset(view, -30, -15).perform()
  wait(lambda: in_module(browser, 'view', 'return module.part()') != before)

  browser.find_element(by.By.ID, 'light').click()
  in_reach()
  gamma = browser.find_element(by.By.ID, 'gamma')
  ActionChains(browser).move_to_element(gamma).click().perform()
  ActionChains(browser).send_keys(keys.Keys.ARROW_RIGHT).perform()
  wait(lambda: text(browser, 'gamma-said') not in ('', '1.0'))

  browser.find_element(by.By.ID, 'undo').click()
  point, said = expected.pop()
  wait(lambda: shown(browser) == point)
  wait(lambda: server.answers('ana') == expected)
  in_reach()
  browser.find_element(by.By.ID, 'leave').click()
  expected.append((point, said))
  wait(lambda: server.answers('ana') == expected)
  if not touch:
    assert label(browser, '1')
    press(browser, 'q')  # is that of a class among so many

  browser.find_element(by.By.ID, 'light').click()  # folds it away
  sheet = open_sheet(browser, 'review')
  sheet.find_element(by.By.CSS_SELECTOR, '#review-share [value="1"]').click()
  wait(lambda: text(browser, 'review-found') == '2 points to look at.')
  browser.find_element(by.By.ID, 'review-start').click()
  wait(lambda: 'ben says road' in text(browser, 'hint'))
  in_reach()
  first = shown(browser)
  browser.find_element(by.By.ID, 'agree').click()
  wait(lambda: shown(browser) not in (first, None))
  second = shown(browser)
  buttons[7].click()
  wait(lambda: server.answers('ana')[-2:] == [(first, 0), (second, 7)])
  assert {first, second} == set(of_ben)
  errors = [x for x in browser.get_log('browser') if x['level'] == 'SEVERE']
  assert errors == []


@pytest.mark.parametrize('language', ['de', 'es', 'zh'])
def test_words_of_every_language_fit_the_smallest_screen(
  browser, server, language
):
  resize(browser, 390, 844, True)
  come_in(browser, server.start())
  chosen = f"localStorage.setItem('points-language', '{language}')"
  browser.execute_script(chosen)
  browser.refresh()
  wait(lambda: shown(browser))
  wait(lambda: browser.execute_script(OUT_OF_REACH, 44) == [])
  wide = """
    return [...document.querySelectorAll('header button, #commands button')]
      .filter((x) => x.scrollWidth > x.clientWidth + 1).map((x) => x.innerText);
  """
  assert browser.execute_script(wide) == []
