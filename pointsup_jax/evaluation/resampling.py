"""95% intervals of scores, by resampling images."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pointsup_jax.evaluation import confusion

_RESAMPLES = 2000


class Estimate(NamedTuple):
  """A value with its 95% interval, which is NaN if there is only one image."""

  value: float
  low: float
  high: float


def draws(images: int) -> Iterator[np.ndarray]:
  """How often each image is drawn, [N] float64, in each of the resamples.

  The resamples are the same for each call, so scores of two models are paired.
  """
  rng = np.random.default_rng(0)
  for _ in range(_RESAMPLES):
    drawn = rng.integers(images, size=images)
    yield np.bincount(drawn, minlength=images).astype(float)


def bounds(values: np.ndarray, images: int) -> tuple[np.ndarray, np.ndarray]:
  """The ends of the intervals of `values` [resamples, ...], each [...]."""
  if images == 1:
    unknown = np.full(values.shape[1:], np.nan)
    return unknown, unknown
  low, high = np.quantile(values, (0.025, 0.975), axis=0)
  return low, high


def mean_iou_gain(before: np.ndarray, after: np.ndarray) -> Estimate:
  """The gain in mIoU of one model over another on the same N images.

  `before` and `after` are each model's counts [N, 3, C]: the pixels of every
  class that are right, labelled and predicted (`confusion.counts`). As in
  `confusion.mean_iou`, classes neither labelled nor predicted are left out, and
  so are images without a labelled pixel.
  """
  labelled = before[:, 1].any(axis=-1)
  before, after = before[labelled], after[labelled]
  images = len(before)
  flat = [x.reshape(images, -1).astype(float) for x in (before, after)]

  def gain(weights: np.ndarray) -> float:
    first, second = (
      confusion.mean_of(confusion.iou_of((weights @ x).reshape(3, -1)))
      for x in flat
    )
    return second - first

  values = np.array([gain(weights) for weights in draws(images)])
  low, high = bounds(values, images)
  return Estimate(gain(np.ones(images)), float(low), float(high))
