"""Scores and the patches they select, against float64 NumPy."""

import functools

import jax
import numpy as np
import pytest

from pointsup_jax.acquisition import grid, scores, selection


def softmax(logits):
  shifted = logits - logits.max(-1, keepdims=True)
  return np.exp(shifted) / np.exp(shifted).sum(-1, keepdims=True)


def entropy(logits):
  p = softmax(logits)
  return -(p * np.log2(p + 1e-30)).sum(-1) / np.log2(logits.shape[-1])


def margin(logits):
  p = np.sort(softmax(logits), axis=-1)
  return 1 - (p[..., -1] - p[..., -2])


def least_confidence(logits):
  return 1 - softmax(logits).max(-1)


def of_regions(logits, radius):
  """Impurity and mean entropy of the square around each pixel."""
  classes = logits.shape[-1]
  labels, unsure = logits.argmax(-1), entropy(logits)
  impurity, mean = np.zeros((2, *labels.shape))
  for b, i, j in np.ndindex(labels.shape):
    rows = slice(max(i - radius, 0), i + radius + 1)
    cols = slice(max(j - radius, 0), j + radius + 1)
    shares = np.bincount(labels[b, rows, cols].ravel(), minlength=classes)
    shares = shares[shares > 0] / shares.sum()
    impurity[b, i, j] = -(shares * np.log(shares)).sum() / np.log(classes)
    mean[b, i, j] = unsure[b, rows, cols].mean()
  return impurity, mean


def region_impurity(logits):
  impurity, mean = of_regions(logits, max(1, logits.shape[1] // 16))
  return impurity * mean


def ripu(logits):
  impurity, _ = of_regions(logits, max(1, logits.shape[1] // 32))
  return impurity * entropy(logits)


def disagreement(logits):
  """With the model that `score_map` takes for the one before."""
  one, other = softmax(logits), softmax(np.roll(logits, 1, axis=2))
  mean = (one + other) / 2
  divergences = [
    (p * np.log((p + 1e-300) / (mean + 1e-300))).sum(-1) for p in (one, other)
  ]
  return sum(divergences) / 2 / np.log(2)


def score_map(name, logits):
  """Scores at the logits' own size."""
  seen = scores.Seen(logits, before=jax.numpy.roll(logits, 1, axis=2))
  return scores.maps(name, seen, logits.shape[1:3]).scores


COMPILED = {
  name: jax.jit(functools.partial(score_map, name)) for name in scores.SCORES
}
OF_PIXELS = {
  'entropy': entropy,
  'margin': margin,
  'least_confidence': least_confidence,
}
REFERENCES = {
  **OF_PIXELS,
  'region_impurity': region_impurity,
  'ripu': ripu,
  'disagreement': disagreement,
}


@pytest.fixture
def rng():
  return np.random.default_rng(0)


@pytest.mark.parametrize('name', scores.SCORES)
@pytest.mark.parametrize('scale', [0.1, 1.0, 5.0, 100.0])
@pytest.mark.parametrize('num_classes', [2, 3, 19])
def test_equals_the_definition(name, scale, num_classes, rng):
  logits = scale * rng.standard_normal((2, 5, 7, num_classes))
  logits = logits.astype(np.float32)
  found = COMPILED[name](logits)
  assert found.shape == (2, 5, 7)
  expected = REFERENCES[name](logits.astype(np.float64))
  np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize('name', scores.SCORES)
def test_stays_within_0_and_1_for_extreme_logits(name, rng):
  logits = rng.choice([-1e4, -80.0, 0.0, 80.0, 1e4], (4, 16, 16, 19))
  found = np.asarray(COMPILED[name](logits.astype(np.float32)))
  assert np.isfinite(found).all()
  assert found.min() >= 0
  assert found.max() <= 1 + 1e-6


@pytest.mark.parametrize('name', OF_PIXELS)
def test_uniform_is_asked_before_unsure_before_certain(name):
  logits = np.zeros((1, 1, 3, 4), np.float32)
  logits[0, 0, 1, 0] = 2
  logits[0, 0, 2, 0] = 200
  uniform, unsure, certain = np.asarray(COMPILED[name](logits))[0, 0]
  assert uniform > unsure > certain
  assert certain == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize('size', [(16, 20), (48, 33)])
def test_regions_of_several_pixels_end_at_the_borders(size, rng):
  logits = rng.standard_normal((2, *size, 4)).astype(np.float32)
  logits[:, : size[0] // 2] += (9.0, 0.0, 0.0, 0.0)  # one class at the top
  found = np.asarray(COMPILED['region_impurity'](logits))
  expected = region_impurity(logits.astype(np.float64))
  np.testing.assert_allclose(found, expected, atol=1e-5)
  assert found[:, 0].max() < found[:, -1].min()


def test_a_region_of_one_class_is_pure_however_unsure():
  logits = np.zeros((1, 32, 32, 3), np.float32)
  logits[..., 1] = 1e-3
  assert score_map('region_impurity', logits).max() == 0


def test_two_equal_best_classes_have_no_margin():
  logits = np.array([3.0, 3.0, -50.0], np.float32)[None, None, None]
  assert scores.margin(logits)[0, 0, 0] == 1
  assert scores.least_confidence(logits)[0, 0, 0] == 0.5


@pytest.mark.parametrize('name', scores.SCORES)
def test_compiled_equals_not_compiled(name, rng):
  logits = rng.standard_normal((1, 4, 4, 5)).astype(np.float32)
  with jax.disable_jit():
    plain = score_map(name, logits)
  np.testing.assert_allclose(COMPILED[name](logits), plain, atol=1e-6)


@pytest.mark.parametrize('name', scores.SCORES)
def test_half_precision_logits_are_scored_in_single_precision(name, rng):
  logits = rng.standard_normal((1, 4, 4, 5)).astype(jax.numpy.bfloat16)
  found, full = COMPILED[name](logits), COMPILED[name](np.float32(logits))
  assert found.dtype == np.float32
  np.testing.assert_array_equal(found, full)


def test_without_a_model_before_nothing_can_disagree():
  seen = scores.Seen(np.zeros((1, 4, 4, 3), np.float32))
  with pytest.raises(ValueError, match='no model before'):
    scores.maps('disagreement', seen, (4, 4))
  assert scores.with_map('disagreement', before=False) == 'entropy'
  assert scores.with_map('disagreement', before=True) == 'disagreement'
  assert scores.with_map('random', before=True) == 'entropy'
  assert scores.with_map('ripu', before=False) == 'ripu'


# Acquisition from logits, in one program.

of_shapes = pytest.mark.parametrize(
  ('height', 'width', 'classes', 'shape', 'k'),
  [
    (8, 16, 19, (2, 4), 3),
    (12, 20, 5, (3, 5), 15),
    (16, 32, 2, (8, 16), 10),
    (6, 6, 7, (1, 1), 1),
    (24, 8, 11, (6, 2), 4),
  ],
)


@functools.partial(jax.jit, static_argnames=('score', 'shape', 'k'))
def ask(logits, asked, *, score, shape, k):
  found = grid.patch_scores(score_map(score, logits), *shape)
  ids = np.arange(len(logits), dtype=np.uint32)
  ranks = selection.ranking('active', found, 0, ids)
  return found, selection.select('active', ranks, asked, k)


def ask_by_hand(logits, asked, *, score, shape, k):
  of_pixels = REFERENCES[score](logits.astype(np.float64))
  rows, cols = logits.shape[1] // shape[0], logits.shape[2] // shape[1]
  means = np.empty(asked.shape)
  for patch, (i, j) in enumerate(np.ndindex(shape)):
    inside = of_pixels[:, i * rows :, j * cols :][:, :rows, :cols]
    means[:, patch] = inside.mean((1, 2))
  best = []
  for image, known in zip(means, asked, strict=True):
    left = np.flatnonzero(~known).tolist()
    # Round: scores equal up to rounding are ties.
    best.append(sorted(left, key=lambda i: (-round(image[i], 9), i))[:k])
  return means, best


@pytest.mark.parametrize('score', scores.SCORES)
@of_shapes
def test_random_logits_ask_for_the_best_patches(
  score, height, width, classes, shape, k
):
  rng = np.random.default_rng(height)
  logits = rng.normal(0, 3, (3, height, width, classes)).astype(np.float32)
  asked = rng.random((3, shape[0] * shape[1])) < 0.2
  k = min(k, int((~asked).sum(1).min()))
  found, patches = ask(logits, asked, score=score, shape=shape, k=k)
  means, best = ask_by_hand(logits, asked, score=score, shape=shape, k=k)
  np.testing.assert_allclose(found, means, rtol=2e-5, atol=1e-6)
  assert np.asarray(patches).tolist() == best


@pytest.mark.parametrize('score', OF_PIXELS)
@of_shapes
def test_patches_that_are_alike_are_asked_in_order(
  score, height, width, classes, shape, k
):
  """Every patch is one of three kinds, so most scores are ties."""
  rng = np.random.default_rng(width)
  size = height // shape[0], width // shape[1]
  kinds = rng.normal(0, 3, (3, *size, classes)).astype(np.float32)
  tiles = kinds[rng.integers(0, 3, (2, *shape))].swapaxes(2, 3)
  logits = tiles.reshape(2, height, width, classes)
  asked = np.zeros((2, shape[0] * shape[1]), bool)
  _, patches = ask(logits, asked, score=score, shape=shape, k=k)
  _, best = ask_by_hand(logits, asked, score=score, shape=shape, k=k)
  assert np.asarray(patches).tolist() == best


@pytest.mark.parametrize('score', scores.SCORES)
def test_flat_logits_ask_from_the_first_patch_on(score):
  logits = np.zeros((1, 8, 16, 19), np.float32)
  asked = np.arange(8)[None] == 1
  _, patches = ask(logits, asked, score=score, shape=(2, 4), k=3)
  assert np.asarray(patches[0]).tolist() == [0, 2, 3]
