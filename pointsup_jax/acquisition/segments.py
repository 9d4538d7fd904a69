"""Spreads people's answers over the segments of an image that they lie in."""

import numpy as np

from pointsup_jax import errors
from pointsup_jax.types import IGNORE

COMPACTNESS = 10.0  # of SLIC, as D2ADA and its successors have it


def require() -> None:
  """Raises errors.UserError if the library that finds them is missing."""
  with errors.needs('segments', "adapt.pseudo_labels='segments'"):
    import skimage  # noqa: F401


def of_image(image: np.ndarray, count: int) -> np.ndarray:
  """Divides an image [H, W, 3] uint8 into about `count` segments: ids [H, W].

  Superpixels of similar colour (SLIC; Achanta et al., TPAMI 2012).
  """
  from skimage import segmentation

  found: np.ndarray = segmentation.slic(
    image, n_segments=count, compactness=COMPACTNESS, start_label=0
  )
  return found.astype(np.int32)


def spread(
  pseudo: np.ndarray,
  segments: np.ndarray,
  answers: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> np.ndarray:
  """The labels that answers give to the pixels around them: [H, W] uint8.

  An answer goes for the pixels of its segment that stage 1 takes for the same
  class as the answered pixel, whatever that class is. Where several answers
  go for a pixel and differ, it gets none.

  Args:
    pseudo: [H, W] uint8, stage 1's predictions.
    segments: [H, W], ids of segments.
    answers: rows [A], columns [A] and labels [A], 255 for no class.

  Returns:
    Labels, 255 where no answer goes.
  """
  rows, cols, labels = answers
  parts = segments.astype(np.int64) * (IGNORE + 1) + pseudo
  answered, which = np.unique(parts[rows, cols], return_inverse=True)
  lowest = np.full(len(answered), IGNORE, np.uint8)
  highest = np.zeros(len(answered), np.uint8)
  np.minimum.at(lowest, which, labels)
  np.maximum.at(highest, which, labels)
  agreed = np.where(lowest == highest, lowest, np.uint8(IGNORE))
  found = np.full(pseudo.shape, IGNORE, np.uint8)
  inside = np.isin(parts, answered)
  found[inside] = agreed[np.searchsorted(answered, parts[inside])]
  return found
