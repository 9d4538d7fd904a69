"""Confusion matrix and intersection over union, as Cityscapes counts them."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from pointsup_jax.types import Array


def confusion_matrix(
  labels: Array, predictions: Array, num_classes: int
) -> jax.Array:
  """Counts the pixels of every pair of true and predicted class.

  Pixels whose label is no class (255 or any other value) are left out. A
  prediction must be a class, as an argmax over C logits always is.

  Args:
    labels: integer, any shape.
    predictions: integer, of the same shape.
    num_classes: C, static under jit.

  Returns:
    [C, C] int32, rows = truth; exact below 2**31 pixels. Sums over more are
    for the host, in int64.
  """
  labels = jnp.asarray(labels).astype(jnp.int32).reshape(-1)
  predictions = jnp.asarray(predictions).astype(jnp.int32).reshape(-1)
  cells = num_classes * num_classes
  counted = (labels >= 0) & (labels < num_classes)
  pairs = jnp.where(counted, labels * num_classes + predictions, cells)
  counts = jnp.bincount(pairs, length=cells + 1)
  return counts[:cells].reshape(num_classes, num_classes)


def iou(matrix: Array) -> np.ndarray:
  """TP / (TP + FP + FN) of each class.

  Args:
    matrix: [C, C] counts, rows = truth.

  Returns:
    [C] float64; NaN for a class that neither occurs nor is predicted.
  """
  matrix = np.asarray(matrix).astype(np.float64)
  intersection = np.diag(matrix)
  union = matrix.sum(axis=0) + matrix.sum(axis=1) - intersection
  return np.divide(
    intersection, union, out=np.full(len(matrix), np.nan), where=union > 0
  )


def mean_iou(matrix: Array, subset: Sequence[int] | None = None) -> float:
  """The mean IoU of the classes for which it is defined.

  Args:
    matrix: [C, C] counts, rows = truth.
    subset: the classes of the mean; None for all. Their IoU still counts
      confusion with every other class of the matrix.

  Returns:
    The mean within [0, 1]; NaN if it is defined for none of them.
  """
  of_class = iou(matrix)
  if subset is not None:
    of_class = of_class[list(subset)]
  defined = of_class[~np.isnan(of_class)]
  return float(defined.mean()) if defined.size else float('nan')
