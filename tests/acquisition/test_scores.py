"""Scores of pixels, against float64 NumPy."""

import functools

import jax
import numpy as np
import pytest

from pointsup_jax.acquisition import scores


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


def region_impurity(logits):
  """Pixel by pixel, region by region."""
  batch, height, width, classes = logits.shape
  radius = max(1, height // 16)
  labels, unsure = logits.argmax(-1), entropy(logits)
  found = np.zeros((batch, height, width))
  for b, i, j in np.ndindex(batch, height, width):
    rows = slice(max(i - radius, 0), i + radius + 1)
    cols = slice(max(j - radius, 0), j + radius + 1)
    shares = np.bincount(labels[b, rows, cols].ravel(), minlength=classes)
    shares = shares[shares > 0] / shares.sum()
    impurity = -(shares * np.log(shares)).sum() / np.log(classes)
    found[b, i, j] = impurity * unsure[b, rows, cols].mean()
  return found


def score_map(name, logits):
  """Of logits that need not be enlarged."""
  return scores.maps(name, logits, logits.shape[1:3]).scores


COMPILED = {
  name: jax.jit(functools.partial(score_map, name)) for name in scores.NAMES
}
REFERENCES = {
  'entropy': entropy,
  'margin': margin,
  'least_confidence': least_confidence,
  'region_impurity': region_impurity,
}
OF_PIXELS = ('entropy', 'margin', 'least_confidence')


def test_every_score_has_a_reference():
  assert set(scores.NAMES) == set(REFERENCES)


@pytest.mark.parametrize('name', scores.NAMES)
@pytest.mark.parametrize('scale', [0.1, 1.0, 5.0, 100.0])
@pytest.mark.parametrize('num_classes', [2, 3, 19])
def test_equals_the_definition(name, scale, num_classes, rng):
  logits = scale * rng.standard_normal((2, 5, 7, num_classes))
  logits = logits.astype(np.float32)
  found = COMPILED[name](logits)
  assert found.shape == (2, 5, 7)
  expected = REFERENCES[name](logits.astype(np.float64))
  np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize('name', scores.NAMES)
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


@pytest.mark.parametrize('name', scores.NAMES)
def test_compiled_equals_not_compiled(name, rng):
  logits = rng.standard_normal((1, 4, 4, 5)).astype(np.float32)
  with jax.disable_jit():
    plain = score_map(name, logits)
  np.testing.assert_allclose(COMPILED[name](logits), plain, atol=1e-6)


@pytest.mark.parametrize('name', scores.NAMES)
def test_half_precision_logits_are_scored_in_single_precision(name, rng):
  logits = rng.standard_normal((1, 4, 4, 5)).astype(jax.numpy.bfloat16)
  found = COMPILED[name](logits)
  assert found.dtype == np.float32
  np.testing.assert_array_equal(
    found, COMPILED[name](logits.astype(np.float32))
  )


@pytest.fixture
def rng():
  return np.random.default_rng(0)
