"""The compiled selection against loops over pixels in float64."""

import functools
import math

import jax
import numpy as np
import pytest

from pointsup_jax.acquisition import grid, scores, selection

SHAPES = [
  # height, width, classes, grid, k
  (8, 16, 19, (2, 4), 3),
  (12, 20, 5, (3, 5), 15),
  (16, 32, 2, (8, 16), 10),
  (6, 6, 7, (1, 1), 1),
  (24, 8, 11, (6, 2), 4),
]


@functools.partial(jax.jit, static_argnames=('score', 'shape', 'k'))
def compiled(logits, asked, *, score, shape, k):
  """What stage 2 does with logits, in one program."""
  _, of_pixels = scores.maps(score, logits, logits.shape[1:3])
  found = grid.patch_scores(of_pixels, *shape)
  ids = np.arange(len(logits), dtype=np.uint32)
  ranks = selection.ranking('active', found, 0, ids)
  return found, selection.select('active', ranks, asked, k)


# The same in plain words: one pixel, one patch, one image at a time.


def probabilities(logits):
  powers = [math.exp(x - max(logits)) for x in logits]
  return [power / sum(powers) for power in powers]


def entropy(p):
  return -sum(x * math.log(x) for x in p if x > 0) / math.log(len(p))


def margin(p):
  second, first = sorted(p)[-2:]
  return 1 - (first - second)


def least_confidence(p):
  return 1 - max(p)


def region_impurity(p, row, col):
  """Of one pixel; p is [H, W, C]."""
  height, width, classes = np.shape(p)
  radius = max(1, height // 16)
  region = [
    p[r][c]
    for r in range(max(0, row - radius), min(height, row + radius + 1))
    for c in range(max(0, col - radius), min(width, col + radius + 1))
  ]
  best = [max(range(classes), key=lambda i: pixel[i]) for pixel in region]
  shares = [best.count(i) / len(region) for i in range(classes)]
  return entropy(shares) * sum(map(entropy, region)) / len(region)


def by_hand(logits, score, shape, asked, k):
  """Patch scores and the k best of one image, ties to the lower index."""
  height, width, _ = logits.shape
  p = [[probabilities(x) for x in row] for row in logits.astype(float).tolist()]
  if score == 'region_impurity':
    of_pixel = functools.partial(region_impurity, p)
  else:

    def of_pixel(row, col):
      return globals()[score](p[row][col])

  rows, cols = height // shape[0], width // shape[1]
  means = [
    sum(
      of_pixel(i * rows + r, j * cols + c)
      for r in range(rows)
      for c in range(cols)
    )
    / (rows * cols)
    for i in range(shape[0])
    for j in range(shape[1])
  ]
  left = [patch for patch in range(len(means)) if not asked[patch]]
  # Equal up to rounding is equal: 1e-9 is far below float32's resolution.
  return means, sorted(left, key=lambda i: (-round(means[i], 9), i))[:k]


@pytest.mark.parametrize('score', scores.NAMES)
@pytest.mark.parametrize(('height', 'width', 'classes', 'shape', 'k'), SHAPES)
def test_agrees_on_random_logits(score, height, width, classes, shape, k):
  rng = np.random.default_rng(height)
  logits = rng.normal(0, 3, (3, height, width, classes)).astype(np.float32)
  asked = rng.random((3, shape[0] * shape[1])) < 0.2
  k = min(k, int((~asked).sum(1).min()))
  found, patches = compiled(logits, asked, score=score, shape=shape, k=k)
  for i, image in enumerate(logits):
    means, expected = by_hand(image, score, shape, asked[i], k)
    np.testing.assert_allclose(found[i], means, rtol=2e-5, atol=1e-6)
    assert np.asarray(patches[i]).tolist() == expected


@pytest.mark.parametrize('score', ['entropy', 'margin', 'least_confidence'])
@pytest.mark.parametrize(('height', 'width', 'classes', 'shape', 'k'), SHAPES)
def test_agrees_where_patches_are_alike(
  score, height, width, classes, shape, k
):
  """Every patch is one of three, so that most scores are ties."""
  rng = np.random.default_rng(width)
  kinds = rng.normal(
    0, 3, (3, height // shape[0], width // shape[1], classes)
  ).astype(np.float32)
  which = rng.integers(0, 3, (2, *shape))
  logits = np.stack(
    [
      np.concatenate([np.concatenate(list(kinds[row]), 1) for row in image], 0)
      for image in which
    ]
  )
  asked = np.zeros((2, shape[0] * shape[1]), bool)
  _, patches = compiled(logits, asked, score=score, shape=shape, k=k)
  for i, image in enumerate(logits):
    _, expected = by_hand(image, score, shape, asked[i], k)
    assert np.asarray(patches[i]).tolist() == expected


@pytest.mark.parametrize('score', scores.NAMES)
def test_flat_logits_ask_from_the_first_patch_on(score):
  logits = np.zeros((1, 8, 16, 19), np.float32)
  asked = np.zeros((1, 8), bool)
  asked[0, 1] = True
  _, patches = compiled(logits, asked, score=score, shape=(2, 4), k=3)
  assert np.asarray(patches[0]).tolist() == [0, 2, 3]
