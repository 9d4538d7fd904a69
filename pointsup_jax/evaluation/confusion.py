"""Confusion matrix and intersection over union, as in Cityscapes."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from pointsup_jax.types import Array


def confusion_matrix(
  labels: Array, predictions: Array, num_classes: int
) -> jax.Array:
  """Counts the pixels of every pair of true and predicted class.

  `labels` and `predictions` are integers of the same shape. Pixels whose label
  is not in 0..C-1 are left out; predictions must be in 0..C-1. `num_classes` is
  static under jit.

  Returns:
    [C, C] int32, rows = truth; exact below 2**31 pixels, so larger sums belong
    on the host, in int64.
  """
  labels = jnp.asarray(labels).astype(jnp.int32).reshape(-1)
  predictions = jnp.asarray(predictions).astype(jnp.int32).reshape(-1)
  cells = num_classes * num_classes
  counted = (labels >= 0) & (labels < num_classes)
  pairs = jnp.where(counted, labels * num_classes + predictions, cells)
  counts = jnp.bincount(pairs, length=cells + 1)
  return counts[:cells].reshape(num_classes, num_classes)


def counts(matrix: Array) -> np.ndarray:
  """The pixels of each class that are right, labelled and predicted.

  `matrix` is [C, C] counts, rows = truth. Returns [3, C] int64.
  """
  matrix = np.asarray(matrix, np.int64)
  return np.stack([np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)])


def iou(matrix: Array) -> np.ndarray:
  """TP / (TP + FP + FN) per class, from [C, C] counts with rows = truth.

  Returns [C] float64, NaN for a class that neither occurs nor is predicted.
  """
  return iou_of(counts(matrix))


def iou_of(found: np.ndarray) -> np.ndarray:
  """`iou` from the `counts` [3, C] of a matrix."""
  right, labelled, predicted = found.astype(np.float64)
  union = labelled + predicted - right
  return np.divide(
    right, union, out=np.full(union.shape, np.nan), where=union > 0
  )


def mean_iou(matrix: Array, subset: Sequence[int] | None = None) -> float:
  """Mean of `iou` over the classes where it is defined; NaN if there are none.

  `matrix` is [C, C] counts, rows = truth. `subset` selects the classes to
  average; their IoU still counts confusion with every other class.
  """
  of_class = iou(matrix)
  return mean_of(of_class if subset is None else of_class[list(subset)])


def mean_of(of_class: np.ndarray) -> float:
  """Mean of the IoU of classes [C] that is not NaN; NaN if all are."""
  defined = of_class[~np.isnan(of_class)]
  return float(defined.mean()) if defined.size else float('nan')
