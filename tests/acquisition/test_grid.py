import jax
import numpy as np
import pytest
import saying

from pointsup_jax import errors
from pointsup_jax.acquisition import grid

GRIDS = [
  ((8, 16), (2, 4)),
  ((12, 6), (3, 2)),
  ((10, 10), (1, 1)),
  ((6, 9), (6, 9)),
  ((15, 8), (5, 1)),
]


@pytest.mark.parametrize(('size', 'shape'), GRIDS)
def test_a_patch_scores_the_mean_of_its_pixels(size, shape):
  (height, width), (rows, cols) = size, shape
  score_map = np.random.default_rng(0).random((3, height, width), np.float32)
  expected = np.zeros((3, rows * cols))
  count = height * width / (rows * cols)
  for image, row, col in np.ndindex(score_map.shape):
    patch = row * rows // height * cols + col * cols // width
    expected[image, patch] += float(score_map[image, row, col]) / count
  found = grid.patch_scores(score_map, rows, cols)
  np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_flat_map_gives_every_patch_the_same_score():
  found = grid.patch_scores(np.full((2, 512, 1024), 0.3, np.float32), 8, 16)
  assert len(np.unique(found)) == 1


@pytest.mark.parametrize('k', [0, 1, 5, 12])
@pytest.mark.parametrize('levels', [1, 2, 4, 1000])
def test_best_patches_come_first_and_ties_go_to_the_lower_index(k, levels):
  rng = np.random.default_rng(levels)
  scores = rng.integers(levels, size=(20, 12)).astype(np.float32) / levels
  found = jax.jit(grid.top_patches, static_argnums=1)(scores, k)
  expected = [
    sorted(range(12), key=lambda patch, row=row: (-row[patch], patch))[:k]
    for row in scores
  ]
  assert found.shape == (20, k)
  np.testing.assert_array_equal(found, np.array(expected).reshape(20, k))
  np.testing.assert_array_equal(grid.top_patches(scores, k), found)


@pytest.mark.parametrize(
  ('scores', 'k'),
  [([0.25] * 128, 10), ([-0.0, 0.0, -0.0, 0.0], 4)],
  ids=['equal', 'minus zero'],
)
def test_equal_scores_are_asked_in_order(scores, k):
  top = jax.jit(grid.top_patches, static_argnums=1)
  found = top(np.array([scores] * 2, np.float32), k)
  np.testing.assert_array_equal(found, [range(k)] * 2)


@pytest.mark.parametrize(
  ('size', 'rows', 'cols', 'k', 'n', 'words'),
  [
    ((512, 1024), 8, 16, 10, 5, []),
    ((512, 1024), 8, 16, 0, 1, []),
    ((512, 1024), 8, 16, 128, 4096, []),
    ((6, 6), 6, 6, 36, 1, []),
    ((512, 1024), 7, 16, 10, 5, ['acquire.grid=(7, 16)', '(8, 16)', '(511, ']),
    ((512, 1024), 8, 15, 10, 5, ['acquire.grid', '(8, 16)', '(512, 1020)']),
    ((500, 1000), 8, 16, 10, 5, ['(500, 1000)', '(496, 992)', '(10, 20)']),
    ((4, 4), 8, 8, 1, 1, ['(4, 4)', '(8, 8)']),
    ((512, 1024), 0, 16, 10, 5, ['acquire.grid', 'positive']),
    ((512, 1024), 8, -16, 10, 5, ['acquire.grid', 'positive']),
    ((512, 1024), 8, 16, 129, 5, ['acquire.k=129', '0 to 128']),
    ((512, 1024), 8, 16, -1, 5, ['acquire.k=-1', '0 to 128']),
    ((512, 1024), 8, 16, 10, 0, ['acquire.n=0', '1 to 4096']),
    ((512, 1024), 8, 16, 10, 4097, ['acquire.n=4097', '1 to 4096', '64x64']),
  ],
)
def test_only_what_does_not_fit_is_refused(size, rows, cols, k, n, words):
  message = saying.refusal(
    lambda: grid.check(size, rows, cols, k, n), errors.UsageError
  )
  assert bool(message) == bool(words)
  assert all(word in message for word in words), message


@pytest.mark.parametrize('size', [(500, 1000), (97, 161), (3, 7)])
@pytest.mark.parametrize('shape', [(8, 16), (5, 3), (2, 300)])
def test_the_grid_and_the_size_that_a_refusal_names_do_fit(size, shape):
  message = saying.usage(lambda: grid.check(size, *shape, 1, 1))
  assert 'nearest are' in message
  near_grid, near_size = message.split('nearest are')[1].split(' or ')
  numbers = [
    tuple(map(int, text.split('=(')[1].rstrip(')').split(', ')))
    for text in (near_grid, near_size)
  ]
  assert not saying.refusal(lambda: grid.check(size, *numbers[0], 1, 1))
  assert not saying.refusal(lambda: grid.check(numbers[1], *shape, 1, 1))
