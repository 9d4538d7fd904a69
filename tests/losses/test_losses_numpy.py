"""Every loss against float64 NumPy written from its formula."""

import jax
import numpy as np
import pytest
from scipy import special

from pointsup_jax.losses import domain_loss, entropy, segmentation

SHAPES = [(1, 1, 1, 2), (2, 3, 5, 4), (1, 7, 4, 19)]


def logits(shape, seed=0, scale=3.0):
  rng = np.random.default_rng(seed)
  return (scale * rng.standard_normal(shape)).astype(np.float32)


def softmax(x):
  return special.softmax(np.float64(x), axis=-1)


def mean_cross_entropy(x, labels):
  return segmentation.mean(*segmentation.cross_entropy(x, labels))


@pytest.mark.parametrize('shape', SHAPES)
def test_self_information(shape):
  x = logits(shape)
  maps = special.entr(softmax(x)) / np.log(shape[-1])
  pixels = maps.sum(-1)
  for found, expected, atol in (
    (entropy.self_information(x), maps, 1e-7),
    (entropy.entropy(x), pixels, 1e-6),
    (entropy.mean_entropy(x), pixels.mean(), 0),
  ):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=atol)


def test_entropy_is_1_where_nothing_is_known_and_0_where_all_is():
  assert entropy.entropy(np.zeros((1, 1, 1, 19)))[0, 0, 0] == pytest.approx(1)
  sure = np.array([[[[1000.0, 0, 0]]]], np.float32)
  assert entropy.entropy(sure)[0, 0, 0] == 0
  gradient = jax.grad(entropy.mean_entropy)(sure)
  assert np.isfinite(gradient).all()


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize('ignored', [0.0, 0.4, 1.0])
def test_cross_entropy(shape, ignored):
  rng = np.random.default_rng(1)
  x = logits(shape)
  labels = rng.integers(0, shape[-1], shape[:-1]).astype(np.uint8)
  labels[rng.random(shape[:-1]) < ignored] = 255
  p = softmax(x)
  losses = [
    -np.log(p[index][label])
    for index, label in np.ndenumerate(labels)
    if label != 255
  ]
  total, count = segmentation.cross_entropy(x, labels)
  assert count == len(losses)
  np.testing.assert_allclose(total, sum(losses), rtol=1e-4, atol=1e-6)
  mean = np.mean(losses) if losses else 0.0
  found = mean_cross_entropy(x, labels)
  np.testing.assert_allclose(found, mean, rtol=1e-4, atol=1e-6)


def test_the_gradient_of_cross_entropy_is_p_minus_one_hot():
  x = logits((1, 2, 3, 5))
  labels = np.array([[[0, 1, 255], [4, 255, 2]]], np.uint8)
  expected = softmax(x)
  for index, label in np.ndenumerate(labels):
    if label == 255:
      expected[index] = 0
    else:
      expected[index][label] -= 1
  gradient = jax.grad(mean_cross_entropy)(x, labels)
  np.testing.assert_allclose(gradient, expected / 4, atol=1e-6)


def test_no_label_at_all_gives_no_gradient():
  labels = np.full((1, 2, 3), 255, np.uint8)
  gradient = jax.grad(mean_cross_entropy)(logits((1, 2, 3, 5)), labels)
  np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize('label', [0.0, 1.0])
def test_bce(label):
  x = logits((2, 3, 4, 1), scale=10.0)
  p = 1 / (1 + np.exp(-np.float64(x)))
  expected = -(label * np.log(p) + (1 - label) * np.log1p(-p)).mean()
  np.testing.assert_allclose(domain_loss.bce(x, label), expected, rtol=1e-4)
  assert np.isfinite(domain_loss.bce(np.float32([[[[1e4]]]]), 0.0))
