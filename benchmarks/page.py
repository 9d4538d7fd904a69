"""How long an annotator waits: for the first point, and from key to next point.

  python -m benchmarks.page

Draws photos of 2048 x 1024 pixels, asks about ten points in each by random
predictions (docs/ANY_MODEL.md), serves the page and answers with key presses in
headless Chromium, whose clock it reads. Needs requirements-dev.txt, chromium
and chromedriver.
"""

import argparse
import json
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common import keys

from pointsup_jax.data import classes
from pointsup_jax.data.streets import source

WINDOWS = ((1280, 800), (2560, 1440))
PER_PHOTO = 10  # points
FLAGS = (
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-dev-shm-usage',
)
# Notes when the first point and all later ones are on the screen.
WATCH = """
  window.points = [];
  window.pressed = [];
  addEventListener('keydown', () => {
    window.pressed.push(performance.now());
  }, true);
  addEventListener('DOMContentLoaded', () => {
    new MutationObserver(() => requestAnimationFrame(() => {
      window.points.push(performance.now());
    })).observe(document.body, {attributeFilter: ['data-point']});
  });
"""


def main() -> None:
  """Prints the figures of each window size and writes them as JSON."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--keys', type=int, default=40)
  parser.add_argument('--out', type=pathlib.Path)
  options = parser.parse_args()
  found = []
  with tempfile.TemporaryDirectory() as folder:
    root = pathlib.Path(folder)
    draw(root, photos_for(options.keys))
    arguments = ask(root)
    server = subprocess.Popen(
      [*arguments, '--stage=annotate'], stderr=subprocess.PIPE, text=True
    )
    try:
      link = link_of(server)
      for window in WINDOWS:
        times = measure(root, link, window, options.keys)
        found.append({'window': window, **times})
        later = sorted(times['later_ms'])
        print(
          f'{window[0]}x{window[1]}: first point {times["first_ms"]:.0f} ms '
          f'after opening; key to next point {statistics.median(later):.0f} ms '
          f'(median of {len(later)}; 9 of 10 below '
          f'{later[len(later) * 9 // 10]:.0f} ms)'
        )
    finally:
      server.send_signal(signal.SIGTERM)
      server.communicate()
  if options.out:
    options.out.write_text(json.dumps(found, indent=1))


def photos_for(presses: int) -> int:
  """As many as all windows need: each also holds the points that come next."""
  return -(-len(WINDOWS) * (presses + 20) // PER_PHOTO)


def draw(root: pathlib.Path, count: int) -> None:
  """Writes photos as JPEGs, and random logits of every eighth pixel."""
  photos = source.Streets('camera', 'train', count, (1024, 2048))
  random = np.random.default_rng(0)
  for folder in ('images/train', 'predictions/train'):
    (root / folder).mkdir(parents=True)
  for i, name in enumerate(photos.names):
    Image.fromarray(photos[i].image).save(
      root / f'images/train/{name}.jpg', quality=92
    )
    logits = random.normal(size=(128, 256, 19)).astype(np.float16)
    np.save(root / f'predictions/train/{name}.npy', logits)
  about = {'kind': 'logits', 'classes': classes.CITYSCAPES.names}
  (root / 'predictions/predictions.json').write_text(json.dumps(about))


def ask(root: pathlib.Path) -> list[str]:
  """Runs acquisition; returns the command, which would go on."""
  fields = {
    'data.root': root,
    'data.source.dataset': '',
    'data.target.dataset': 'image_folder',
    'data.target.size': '(512,1024)',
    'data.evaluation.dataset': '',
    'uda.source_only_steps': 0,
    'uda.predictions': root / 'predictions',
    'acquire.k': PER_PHOTO,
    'annotate.oracle': 'human',
    'annotate.port': 0,
  }
  arguments = [
    *(sys.executable, '-m', 'launch.main', f'--workdir={root}/run'),
    '--config=configs/streets_active.py',
    *(f'--config.{field}={value}' for field, value in fields.items()),
  ]
  done = subprocess.run(arguments, capture_output=True, text=True, check=False)
  if done.returncode != 3:  # it waits for people
    raise RuntimeError(done.stderr)
  return arguments


def link_of(server: subprocess.Popen[str]) -> str:
  """The link that the server prints."""
  said = []
  for line in server.stderr or ():
    said.append(line)
    if link := re.search(r'http://127\S+', line):
      return link.group()
  raise RuntimeError(''.join(said))


def measure(
  root: pathlib.Path, link: str, window: tuple[int, int], presses: int
) -> dict[str, Any]:
  """Milliseconds on the browser's clock.

  Returns `first_ms`, from opening the page, which knows its annotator, to the
  first point, and `later_ms`, from each key press to the next point.
  """
  browser = open_browser(root / f'profile_{window[0]}', window)
  try:
    browser.get(link)
    # The link's page replaces itself by the one that asks for a name.
    asks = "return document.getElementById('name-sheet')?.open"
    wait(lambda: browser.execute_script(asks))
    browser.switch_to.active_element.send_keys(
      f'ana{window[0]}', keys.Keys.ENTER
    )
    wait(lambda: point(browser))
    browser.execute_cdp_cmd(
      'Page.addScriptToEvaluateOnNewDocument', {'source': WATCH}
    )
    browser.refresh()
    wait(lambda: point(browser))
    wait(lambda: browser.execute_script('return window.points.length'))
    first = browser.execute_script('return window.points[0]')
    later = [press(browser) for _ in range(presses)]
    return {'first_ms': first, 'later_ms': later}
  finally:
    browser.quit()


def open_browser(
  profile: pathlib.Path, window: tuple[int, int]
) -> webdriver.Chrome:
  """Headless Chromium with a profile of its own."""
  options = webdriver.ChromeOptions()
  chromium, driver = shutil.which('chromium'), shutil.which('chromedriver')
  if chromium is None or driver is None:
    raise SystemExit('chromium and chromedriver are not installed')
  options.binary_location = chromium
  size = f'--window-size={window[0]},{window[1]}'
  for flag in (*FLAGS, size, f'--user-data-dir={profile}'):
    options.add_argument(flag)
  return webdriver.Chrome(options, webdriver.ChromeService(driver))


def press(browser: webdriver.Chrome) -> float:
  """Answers with a key; milliseconds to the next point."""
  shown = 'return window.points.length'
  before = browser.execute_script(shown)
  browser.switch_to.active_element.send_keys('1')
  wait(lambda: browser.execute_script(shown) > before)
  took: float = browser.execute_script(
    'return window.points.at(-1) - window.pressed.at(-1)'
  )
  return took


def point(browser: webdriver.Chrome) -> str | None:
  """The id of the point that is shown."""
  found: str | None = browser.execute_script(
    'return document.body.dataset.point'
  )
  return found


def wait(condition: Callable[[], Any], seconds: float = 60) -> None:
  """Returns once the condition holds."""
  end = time.monotonic() + seconds
  while not condition():
    if time.monotonic() > end:
      raise RuntimeError('the page shows nothing new')
    time.sleep(0.005)


if __name__ == '__main__':
  main()
