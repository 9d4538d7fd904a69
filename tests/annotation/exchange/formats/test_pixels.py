import json

import numpy as np
import pytest

from pointsup_jax.annotation.exchange.formats import pixels

# (training size, shown size)
LENGTHS = [
  (1024, 2048), (1914, 1914), (1052, 1052), (1280, 1914), (760, 1052),
  (1023, 1023), (769, 769), (1023, 4096), (769, 1537), (480, 360), (1, 7),
]  # fmt: skip


@pytest.mark.parametrize(('length', 'shown'), LENGTHS)
def test_every_pixel_survives_two_decimals_of_pixels(length, shown):
  written = [f'{pixels.centre(i, length, shown):.2f}' for i in range(length)]
  read = [pixels.index(float(x) / shown, length) for x in written]
  assert read == list(range(length))


@pytest.mark.parametrize('length', sorted({n for n, _ in LENGTHS}))
def test_every_pixel_survives_percents(length):
  written = json.dumps([pixels.centre(i, length, 100) for i in range(length)])
  read = [pixels.index(x / 100, length) for x in json.loads(written)]
  assert read == list(range(length))


def test_positions_outside_belong_to_the_border():
  assert [pixels.index(x, 8) for x in (-0.1, 0, 1, 1.5)] == [0, 0, 7, 7]


def test_a_point_has_moved_once_it_leaves_its_pixel():
  rng = np.random.default_rng(0)
  size = (769, 1023)
  for _ in range(1000):
    pixel = tuple(int(rng.integers(n)) for n in size)
    offset = rng.uniform(-2, 2, 2)
    position = tuple((np.array(pixel) + 0.5 + offset) / size)
    distance = np.abs(offset).max()
    moved = pixels.moved(position, pixel, size)
    if distance < 0.5:
      assert moved == 0
    elif distance > 0.53:  # more than rounding explains
      assert moved == pytest.approx(distance, abs=1e-6)
