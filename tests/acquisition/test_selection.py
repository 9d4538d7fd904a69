import collections
import functools
import itertools
import zlib

import jax
import numpy as np
import pytest

from pointsup_jax.acquisition import grid, selection

NAMES = [f'city/{i:05}' for i in range(6)]
IDS = selection.image_ids(NAMES)
SHAPES = [
  # size, grid, n
  ((8, 16), (2, 4), 3),
  ((12, 6), (3, 2), 8),
  ((12, 6), (3, 2), 12),  # every pixel
  ((5, 7), (1, 1), 1),
  ((4, 6), (4, 6), 1),  # patches of one pixel
  ((64, 96), (2, 3), 40),
]


draw_points = jax.jit(selection.draw_points, static_argnums=(2, 3, 4, 5))


@functools.partial(jax.jit, static_argnums=(0, 4))
def select(strategy, scores, seed, ids, k, asked=False):
  ranks = selection.ranking(strategy, scores, seed, ids)
  return selection.select(strategy, ranks, asked, k)


among_all = jax.jit(selection.select_among_all, static_argnums=2)


def draw(seed, ids, size, shape, n):
  return np.asarray(draw_points(np.uint32(seed), ids, size, *shape, n))


def test_the_points_of_a_run_outlive_an_upgrade_of_jax():
  """A run that is to ask more draws them again, maybe months later."""
  points = draw(
    7, selection.image_ids(['aachen', 'munich']), (8, 16), (2, 2), 3
  )
  assert points[0, 0].tolist() == [[0, 6], [2, 1], [3, 1]]
  assert points[1, 3].tolist() == [[4, 14], [5, 14], [6, 13]]


def test_an_image_is_known_by_the_checksum_of_its_name():
  assert IDS.dtype == np.uint32
  assert [int(i) for i in IDS] == [zlib.crc32(n.encode()) for n in NAMES]
  assert selection.image_ids(['straße']).shape == (1,)
  assert selection.image_ids([]).shape == (0,)


@pytest.mark.parametrize(('size', 'shape', 'n'), SHAPES)
def test_every_patch_holds_n_distinct_points_of_its_own(size, shape, n):
  points = draw(0, IDS, size, shape, n)
  rows, cols = shape
  assert points.shape == (len(IDS), rows * cols, n, 2)
  assert points.dtype == np.int32
  for image, patch in itertools.product(range(len(IDS)), range(rows * cols)):
    found = [tuple(point) for point in points[image, patch]]
    assert len(set(found)) == n
    assert found == sorted(found)
    for row, col in found:
      assert 0 <= row < size[0]
      assert 0 <= col < size[1]
      assert row * rows // size[0] * cols + col * cols // size[1] == patch


def test_points_do_not_depend_on_the_batch():
  size, shape, n = SHAPES[0]
  together = draw(5, IDS, size, shape, n)
  for batch in ([4, 0, 5, 2], *([i] for i in range(len(IDS)))):
    found = draw(5, IDS[batch], size, shape, n)
    np.testing.assert_array_equal(found, together[batch])


def test_points_differ_between_images_patches_and_seeds():
  points = draw(0, IDS, (64, 64), (2, 2), 5)
  assert len({x.tobytes() for image in points % 32 for x in image}) == 24
  assert not np.array_equal(points, draw(1, IDS, (64, 64), (2, 2), 5))


def test_compiled_equals_not_compiled():
  size, shape, n = SHAPES[0]
  seed = 2**32 - 1  # seeds may have 32 bits
  plain = selection.draw_points(seed, IDS, size, *shape, n)
  np.testing.assert_array_equal(draw(seed, IDS, size, shape, n), plain)


def test_drawn_points_stay_the_same_in_later_versions():
  # Pinned: requests in existing workdirs name these pixels.
  points = draw(0, selection.image_ids(['a']), (8, 8), (2, 2), 2)
  np.testing.assert_array_equal(
    points[0].reshape(4, 4),
    [[0, 2, 3, 0], [0, 5, 1, 5], [4, 2, 6, 0], [4, 4, 6, 7]],
  )


def chi_square(counts, cells):
  expected = sum(counts.values()) / cells
  seen = sum((count - expected) ** 2 for count in counts.values())
  return (seen + (cells - len(counts)) * expected**2) / expected


@pytest.mark.parametrize(('n', 'subsets'), [(2, 15), (5, 6)])
def test_every_combination_of_pixels_is_equally_likely(n, subsets):
  ids = np.arange(1500, dtype=np.uint32)
  points = draw(0, ids, (4, 6), (2, 2), n)  # 6 pixels a patch
  for patch in range(4):
    counts = collections.Counter(x.tobytes() for x in points[:, patch])
    assert len(counts) == subsets
    # Above the 0.999 quantile for up to 14 degrees of freedom.
    assert chi_square(counts, subsets) < 37


@pytest.mark.parametrize(('strategy', 'count'), [('active', 4), ('full', 12)])
def test_the_highest_scores_come_first(strategy, count):
  scores = np.random.default_rng(0).random((6, 12), np.float32)
  found = select(strategy, scores, 0, IDS, 4)
  np.testing.assert_array_equal(found, np.argsort(-scores, axis=1)[:, :count])


def test_self_training_asks_nothing():
  found = select('self_training', np.zeros((6, 12)), 0, IDS, 4)
  assert found.shape == (6, 0)
  assert np.issubdtype(found.dtype, np.integer)


@pytest.mark.parametrize('k', [0, 1, 4, 12])
def test_random_takes_k_distinct_patches_whatever_the_scores(k):
  rng = np.random.default_rng(0)
  found = select('random', rng.random((6, 12)), 0, IDS, k)
  again = select('random', rng.random((6, 12)), 0, IDS, k)
  assert found.shape == (6, k)
  np.testing.assert_array_equal(found, again)
  for row in np.asarray(found):
    assert len(set(row.tolist())) == k
    assert set(row.tolist()) <= set(range(12))


@pytest.mark.parametrize('seed', [0, 9])
def test_random_patches_are_those_of_the_image_and_the_seed(seed):
  scores, order = np.zeros((6, 128)), [3, 1, 5]
  together = np.asarray(select('random', scores, seed, IDS, 10))
  found = select('random', scores[order], seed, IDS[order], 10)
  np.testing.assert_array_equal(found, together[order])
  assert len({row.tobytes() for row in together}) == 6
  other = select('random', scores, seed + 1, IDS, 10)
  assert not np.array_equal(together, other)


def test_every_set_of_random_patches_is_equally_likely():
  ids = np.arange(3000, dtype=np.uint32)
  found = np.asarray(select('random', np.zeros((len(ids), 6)), 0, ids, 2))
  counts = collections.Counter(tuple(row) for row in found.tolist())
  assert len(counts) == 30
  assert chi_square(counts, 30) < 59  # 0.999 quantile, 29 degrees of freedom


def test_patches_and_points_do_not_depend_on_each_other():
  ids = np.arange(3000, dtype=np.uint32)
  patches = np.asarray(select('random', np.zeros((len(ids), 4)), 0, ids, 1))
  points = draw(0, ids, (2, 2), (1, 1), 1)[:, 0, 0]
  pairs = np.concatenate([patches, points], axis=1)
  counts = collections.Counter(tuple(pair) for pair in pairs.tolist())
  assert len(counts) == 16
  assert chi_square(counts, 16) < 37.7  # 0.999 quantile, 15 degrees of freedom


def test_one_compiled_function_scores_selects_and_draws():
  @jax.jit
  def find(score_map):
    scores = grid.patch_scores(score_map, 2, 4)
    points = selection.draw_points(3, IDS, (8, 16), 2, 4, 3)
    return points, [
      select(strategy, scores, 3, IDS, 2) for strategy in selection.STRATEGIES
    ]

  score_map = np.random.default_rng(0).random((6, 8, 16), np.float32)
  points, patches = find(score_map)
  np.testing.assert_array_equal(points, draw(3, IDS, (8, 16), (2, 4), 3))
  scores = grid.patch_scores(score_map, 2, 4)
  for strategy, found in zip(selection.STRATEGIES, patches, strict=True):
    alone = select(strategy, scores, 3, IDS, 2)
    np.testing.assert_array_equal(found, alone)


def test_an_unknown_strategy_is_refused():
  with pytest.raises(ValueError, match="'best' is not one of"):
    selection.select('best', np.zeros((1, 4)), False, 1)


# Several rounds, and a budget over all images.


@pytest.mark.parametrize('strategy', ['active', 'random'])
def test_rounds_together_ask_what_one_round_would(strategy):
  scores = np.random.default_rng(0).random((6, 12), np.float32)
  at_once = np.asarray(select(strategy, scores, 0, IDS, 6))
  asked = np.zeros((6, 12), bool)
  for first in (0, 2, 4):
    found = np.asarray(select(strategy, scores, 0, IDS, 2, asked))
    np.testing.assert_array_equal(found, at_once[:, first : first + 2])
    asked[np.arange(6)[:, None], found] = True


@pytest.mark.parametrize('count', [0, 1, 17, 60])
def test_a_budget_goes_to_the_highest_scores_of_all_images(count):
  rng = np.random.default_rng(1)
  scores = rng.choice(np.linspace(0, 1, 9, dtype=np.float32), (6, 12))  # ties
  asked = rng.random((6, 12)) < 1 / 6
  assert count <= (~asked).sum()
  found = np.asarray(among_all(scores, asked, count))
  places = sorted(
    itertools.product(range(6), range(12)),
    key=lambda place: (-scores[place], place),
  )
  expected = [place for place in places if not asked[place]][:count]
  assert [tuple(place) for place in found.tolist()] == expected


def test_random_scores_are_uniform_and_the_images_own():
  scores = np.asarray(selection.random_scores(0, IDS, 128))
  assert scores.shape == (6, 128)
  assert (scores >= 0).all()
  assert (scores < 1).all()
  assert abs(scores.mean() - 0.5) < 0.05
  assert len(np.unique(scores)) > 750
  alone = selection.random_scores(0, IDS[2:3], 128)
  np.testing.assert_array_equal(alone[0], scores[2])
  assert not np.array_equal(selection.random_scores(1, IDS, 128), scores)
