import math

import numpy as np

from pointsup_jax.evaluation import confusion, resampling


def matrices(seed, images=40, right=0.6):
  """Confusion matrices [N, 3, 3] of images of 100 pixels."""
  rng = np.random.default_rng(seed)
  shares = rng.dirichlet(np.ones(3), images)
  found = np.zeros((images, 3, 3), int)
  for matrix, share in zip(found, shares, strict=True):
    for truth, count in enumerate(rng.multinomial(100, share)):
      chance = np.full(3, (1 - right) / 2)
      chance[truth] = right
      matrix[truth] = rng.multinomial(count, chance)
  return found


def counts(found):
  return np.stack([confusion.counts(matrix) for matrix in found])


def test_the_gain_is_that_of_the_summed_matrices():
  before, after = matrices(0), matrices(1, right=0.7)
  found = resampling.mean_iou_gain(counts(before), counts(after))
  expected = confusion.mean_iou(after.sum(0)) - confusion.mean_iou(
    before.sum(0)
  )
  assert math.isclose(found.value, expected, abs_tol=1e-12)
  assert found.low < found.value < found.high


def test_the_interval_is_that_of_a_plain_bootstrap():
  before, after = matrices(0), matrices(1, right=0.7)
  found = resampling.mean_iou_gain(counts(before), counts(after))
  rng = np.random.default_rng(5)
  values = []
  for _ in range(4000):
    drawn = rng.integers(len(before), size=len(before))
    values.append(
      confusion.mean_iou(after[drawn].sum(0))
      - confusion.mean_iou(before[drawn].sum(0))
    )
  low, high = np.quantile(values, (0.025, 0.975))
  np.testing.assert_allclose([found.low, found.high], [low, high], atol=0.005)


def test_both_models_are_scored_on_the_same_resample():
  same = counts(matrices(0))
  assert resampling.mean_iou_gain(same, same) == (0, 0, 0)


def test_a_class_that_a_resample_lacks_is_left_out():
  before = np.array([np.diag([9, 0, 0]), np.diag([0, 9, 0])])
  after = np.array([np.diag([9, 0, 0]), np.diag([0, 9, 0])])
  after[0, 0, 1] = 9  # half of class 0 is taken for class 1
  found = resampling.mean_iou_gain(counts(before), counts(after))
  # IoU 1/2 in both classes; class 1 alone where only image 1 is drawn: 0.
  assert found.value == -0.5
  assert found.high == 0


def test_images_without_labels_change_nothing():
  before, after = counts(matrices(0)), counts(matrices(1, right=0.7))
  empty = np.zeros((60, 3, 3), int)
  more = [np.concatenate([x, empty]) for x in (before, after)]
  assert resampling.mean_iou_gain(*more) == resampling.mean_iou_gain(
    before, after
  )


def test_one_image_gives_no_interval():
  found = resampling.mean_iou_gain(
    counts(matrices(0, 1)), counts(matrices(1, 1))
  )
  assert math.isnan(found.low)
  assert math.isnan(found.high)
