"""What the page shows of an image, and how near."""

import re

import browsing
import numpy as np
import pages
import pytest

pytest.importorskip('selenium.webdriver')
from browsing import in_module, label, press, shown, text, wait
from selenium.webdriver.common import by, keys
from selenium.webdriver.common.action_chains import (
  ActionChains,
  ScrollOrigin,
)

pytestmark = pytest.mark.slow
PIXELS = "return document.getElementById('view').toDataURL()"


def place(page):
  """Row and column of the point asked."""
  found = re.fullmatch(r'(.*)-r(\d+)-c(\d+)', shown(page))
  return int(found[2]), int(found[3])


def part(page):
  """What is seen of the photo: left, top, right, bottom."""
  return np.array(in_module(page, 'view', 'return module.part()'))


def size(page):
  """Width and height of what is seen."""
  left, top, right, bottom = part(page)
  return np.array([right - left, bottom - top])


def settle(page):
  """Waits until what was asked for is drawn."""
  page.execute_async_script(
    'requestAnimationFrame(() => requestAnimationFrame(arguments[0]))'
  )


def others(page):
  """The image's other points, and the progress in it, as the page knows."""
  return in_module(
    page,
    'beside',
    """
    return import('/static/queue.js').then(({queue}) => [
      module.of(queue.now), module.progress(queue.now)]);
    """,
  )


def as_they_are(page):
  """Shows the image's own colours."""
  page.find_element(by.By.ID, 'light').click()
  page.find_element(by.By.ID, 'auto').click()


def test_the_view_shows_the_asked_pixel_and_leaves_it_free(page):
  as_they_are(page)
  for _ in range(5):
    label(page, '1')
  for _ in range(8):
    press(page, '+')
  press(page, keys.Keys.HOME)
  settle(page)
  row, col = place(page)
  footprint = pages.Images()[0].image[
    2 * row : 2 * row + 2, 2 * col : 2 * col + 2
  ]
  # The middle of each of its four photo pixels.
  centres = page.execute_script(
    """
    const [left, top, right] = arguments[0];
    const canvas = document.getElementById('view');
    const context = canvas.getContext('2d');
    const scale = canvas.width / (right - left);
    const [row, col] = arguments[1];
    return [[0, 0], [0, 1], [1, 0], [1, 1]].map(([dy, dx]) => {
      const x = (2 * col + dx + 0.5 - left) * scale;
      const y = (2 * row + dy + 0.5 - top) * scale;
      return [...context.getImageData(x, y, 1, 1).data].slice(0, 3);
    });
    """,
    part(page).tolist(),
    (row, col),
  )
  np.testing.assert_array_equal(centres, footprint.reshape(4, 3))


def test_a_point_opens_at_the_zoom_that_was_chosen_last(page, server):
  whole = size(page)  # 64 x 32 pixels, less than 96 training pixels
  for _ in range(4):
    press(page, '+')
  near = size(page)
  np.testing.assert_allclose(near, whole / 1.4**4)
  label(page, '1')
  np.testing.assert_allclose(size(page), near)
  page.refresh()
  wait(lambda: shown(page))
  np.testing.assert_allclose(size(page), near)
  press(page, keys.Keys.END)
  np.testing.assert_allclose(size(page), whole)
  left, top, right, bottom = part(page)
  np.testing.assert_allclose([left + right, top + bottom], [64, 32])
  label(page, '1')  # a glance at the whole is no choice
  np.testing.assert_allclose(size(page), near)


@pytest.mark.parametrize('presses', [0, 4])
def test_every_point_opens_well_within_the_view(page, presses):
  for _ in range(presses):
    press(page, '+')
  view = page.find_element(by.By.ID, 'view')
  for _ in range(9):
    label(page, '1')
    left, top, right, _ = part(page)
    scale = view.size['width'] / (right - left)
    row, col = place(page)
    x, y = (2 * col + 1 - left) * scale, (2 * row + 1 - top) * scale
    assert 111 < x < view.size['width'] - 111
    assert 111 < y < view.size['height'] - 111
    # Beyond an image that fills it lies what that takes, and no more.
    if presses:
      assert left >= 0 or x == pytest.approx(112, abs=1)
      assert top >= 0 or y == pytest.approx(112, abs=1)


def test_keys_zoom_about_the_point_wherever_it_is(page):
  view = page.find_element(by.By.ID, 'view')

  def on_screen():
    left, top, right, _ = part(page)
    row, col = place(page)
    scale = view.size['width'] / (right - left)
    return (2 * col + 1 - left) * scale, (2 * row + 1 - top) * scale

  for _ in range(2):
    press(page, '+')
  press(page, keys.Keys.HOME)
  settle(page)
  before, wide = on_screen(), size(page)
  assert before[0] < 0.3 * view.size['width']  # not in the middle
  for _ in range(2):
    press(page, '+')
  settle(page)
  np.testing.assert_allclose(size(page), wide / 1.4**2)
  np.testing.assert_allclose(on_screen(), before, atol=0.5)


@pytest.mark.parametrize(('points', 'framed'), [(1, False), (4, True)])
def test_a_patch_is_framed_where_more_of_its_points_are_asked(
  browser, tmp_path, points, framed
):
  server = browsing.Server(tmp_path, per_image=points)
  try:
    browsing.come_in(browser, server.start())
    settle(browser)
    yellow = browser.execute_script("""
      const canvas = document.getElementById('view');
      const {data} = canvas.getContext('2d').getImageData(
        0, 0, canvas.width, canvas.height);
      let found = 0;
      for (let i = 0; i < data.length; i += 4) {
        found += data[i] === 255 && data[i + 1] === 213 && data[i + 2] === 74;
      }
      return found;
    """)
    assert (yellow > 100) == framed
    assert yellow < 5 or framed
  finally:
    server.kill()
    server.process.stderr.close()


def test_wheel_drag_double_click_and_map_move_the_view(page):
  view = page.find_element(by.By.ID, 'view')
  origin = ScrollOrigin.from_element(view, 100, -50)
  before, whole = part(page), size(page)
  ActionChains(page).scroll_from_origin(origin, 0, -300).perform()
  settle(page)
  after = part(page)
  np.testing.assert_allclose(size(page), whole / np.exp(0.6), rtol=1e-5)
  # What is under the mouse stays there.
  share = np.array([100, -50]) / [view.size['width'], view.size['height']] + 0.5
  under = [x[:2] + share * (x[2:] - x[:2]) for x in (before, after)]
  np.testing.assert_allclose(under[0], under[1], atol=0.1)

  scale = view.size['width'] / size(page)[0]
  ActionChains(page).drag_and_drop_by_offset(view, -40, -20).perform()
  np.testing.assert_allclose(
    part(page) - after, np.array([40, 20, 40, 20]) / scale, atol=0.01
  )
  small = page.find_element(by.By.ID, 'map')
  ActionChains(page).move_to_element_with_offset(small, 0, 0).click().perform()
  left, top, right, bottom = part(page)
  assert abs((left + right) / 2 - 32) < 1
  assert abs((top + bottom) / 2 - 16) < 1
  ActionChains(page).move_to_element(view).double_click().perform()
  left, top, right, bottom = part(page)
  np.testing.assert_allclose([left + right, top + bottom], [64, 32])
  np.testing.assert_allclose(size(page), whole)
  assert not small.is_displayed()
  ActionChains(page).move_to_element(view).double_click().perform()
  near = whole / np.exp(0.6)  # the point again, at the zoom chosen
  np.testing.assert_allclose(size(page), near, rtol=1e-5)


def test_light_is_automatic_and_kept_for_its_annotator(page):
  wait(lambda: len(others(page)[0]) == 9)  # they are drawn too
  settle(page)
  automatic = page.execute_script(PIXELS)
  as_they_are(page)
  wait(lambda: page.execute_script(PIXELS) != automatic)
  settle(page)
  own = page.execute_script(PIXELS)
  press(page, 'b')
  wait(lambda: text(page, 'flash') == 'Gamma 1.5')
  wait(lambda: page.execute_script(PIXELS) != own)
  settle(page)
  brighter = page.execute_script(PIXELS)
  assert page.find_element(by.By.ID, 'gamma-said').text == '1.5'
  page.refresh()
  wait(lambda: shown(page))
  wait(lambda: page.execute_script(PIXELS) == brighter)
  page.find_element(by.By.ID, 'light').click()
  page.find_element(by.By.ID, 'standard').click()
  wait(lambda: page.execute_script(PIXELS) == automatic)


def test_a_dark_image_is_brightened(page):
  """Levels: 5 to 45 of 255 become all of them, and the middle grows light."""
  tone = in_module(
    page,
    'picture',
    """
    const canvas = document.createElement('canvas');
    canvas.width = 200;
    canvas.height = 4;
    const context = canvas.getContext('2d');
    for (let x = 0; x < 200; x += 1) {
      const grey = 5 + Math.floor(x / 5);
      context.fillStyle = `rgb(${grey} ${grey} ${grey})`;
      context.fillRect(x, 0, 1, 4);
    }
    return new Promise((resolve) => canvas.toBlob(resolve)).then((blob) => {
      const image = new Image();
      image.src = URL.createObjectURL(blob);
      return image.decode().then(() => [...module.toneOf(image)]);
    });
    """,
  )
  assert tone[5] == 0
  assert tone[44] == 255
  assert 100 <= tone[24] <= 150
  assert tone == sorted(tone)


def test_the_other_points_and_their_answers_are_drawn(page, server):
  wait(lambda: len(others(page)[0]) == 9)
  before = page.execute_script(PIXELS)
  point = label(page, '3')
  found, progress = others(page)
  assert [(x['id'], x['label']) for x in found if x['answer']] == [(point, 2)]
  assert progress == {'given': 1, 'points': 10}
  wait(lambda: page.execute_script(PIXELS) != before)
  page.refresh()
  wait(lambda: shown(page))
  wait(lambda: [x['id'] for x in others(page)[0] if x['answer']] == [point])
  assert 'this image: 1 of 10' in page.find_element(by.By.ID, 'in-image').text


def test_marks_are_hidden_while_space_is_held(page):
  wait(lambda: len(others(page)[0]) == 9)
  settle(page)
  pixels = "return document.getElementById('view').toDataURL()"
  marked = page.execute_script(pixels)
  held = "document.dispatchEvent(new KeyboardEvent('%s', {key: ' '}));"
  page.execute_script(held % 'keydown')
  wait(lambda: page.execute_script(pixels) != marked)
  page.execute_script(held % 'keyup')
  wait(lambda: page.execute_script(pixels) == marked)
