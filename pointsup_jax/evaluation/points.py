"""Scores models on labelled points, with intervals by resampling images."""

from typing import NamedTuple

import numpy as np

from pointsup_jax.evaluation.resampling import Estimate, bounds, draws


class PointScore(NamedTuple):
  """The score of one model; shares from 0 to 1."""

  right: int  # points
  accuracy: Estimate
  class_mean: Estimate  # accuracy of each class among the answers, averaged
  gain: Estimate | None  # in accuracy over the model before; None: the first


def score(
  images: np.ndarray, answers: np.ndarray, predictions: np.ndarray
) -> list[PointScore]:
  """Scores M models on the same A points, of which there is at least one.

  Images are resampled rather than points, because the points of an image are
  alike. Gains are paired: both models are scored on the same resample.

  Args:
    images: [A] integers, the image of each point.
    answers: [A] integers, its class.
    predictions: [M, A] integers, in order of training.
  """
  _, place = np.unique(images, return_inverse=True)
  classes, answer = np.unique(answers, return_inverse=True)
  count = place.max() + 1
  # Points and right predictions by image and class.
  total = np.zeros((count, len(classes)))
  np.add.at(total, (place, answer), 1)
  right = np.zeros((len(predictions), count, len(classes)))
  for model, correct in zip(right, predictions == answers, strict=True):
    np.add.at(model, (place, answer), correct)

  def rates(weights: np.ndarray) -> np.ndarray:
    """Accuracy, class mean and gain of each model: [3, M]."""
    hits, points = weights @ right, weights @ total
    accuracy = hits.sum(axis=-1) / points.sum()
    class_mean = (hits[:, points > 0] / points[points > 0]).mean(axis=-1)
    return np.stack(
      [accuracy, class_mean, np.diff(accuracy, prepend=accuracy[0])]
    )

  drawn = np.stack([rates(weights) for weights in draws(count)])
  estimates = np.stack([rates(np.ones(count)), *bounds(drawn, count)], axis=-1)
  return [
    PointScore(
      right=int(right[i].sum()),
      accuracy=Estimate(*estimates[0, i].tolist()),
      class_mean=Estimate(*estimates[1, i].tolist()),
      gain=Estimate(*estimates[2, i].tolist()) if i else None,
    )
    for i in range(len(predictions))
  ]
