import numpy as np

from pointsup_jax.annotation import records
from pointsup_jax.report import images


def test_patches_and_points_lie_where_they_were_asked():
  requests = [
    records.Request(str(i), 'a', 9, 19 + i, 6, 0.5, 1, 1, 1) for i in range(5)
  ]
  current = {
    str(i): records.Entry(str(i), 'label', label, 'ana', None)
    for i, label in enumerate((1, 2, 255))
  }
  current['3'] = records.Entry('3', 'unsure', None, 'ana', None)
  image = np.zeros((16, 32, 3), np.uint8)
  tile = images.with_points(image, (2, 4), requests, current)
  assert tile.asked == [(8, 16, 8, 8)]  # patch 6: second row, third column
  places = [(dot.row, dot.col) for dot in tile.dots]
  assert places == [(9, 19 + i) for i in range(5)]
  assert [dot.answer for dot in tile.dots] == [1, 2, 255, None, None]
  assert [dot.agrees for dot in tile.dots] == [True, False, True, True, True]
  # Where no patches are asked, the patch is the whole image.
  assert images.with_points(image, (1, 1), requests, {}).asked == [
    (0, 0, 16, 32)
  ]
