"""Label maps of stage 3, from people's answers and pseudo labels."""

from collections.abc import Collection

import numpy as np

from pointsup_jax.acquisition import grid as grid_lib
from pointsup_jax.types import IGNORE

MODES = ('points', 'dense', 'none')


def target_labels(
  pseudo: np.ndarray,
  *,
  points: np.ndarray,
  asked: Collection[int],
  answers: tuple[np.ndarray, np.ndarray, np.ndarray],
  mode: str,
  grid: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
  """Builds the labels of a target image for stage 3 (Eq. 6).

  In patches that were asked about only answers count: a point without an answer
  is ignored and does not fall back on its pseudo label.

  Args:
    pseudo: [H, W] uint8, pseudo labels.
    points: [P, N, 2] integer, row and column of the points of every patch.
    asked: patches that were asked about.
    answers: rows [A], columns [A] and labels [A] of the answers in those
      patches; 255 where the annotator saw no class.
    mode: pseudo labels in other patches: 'points' (at the points), 'dense' (at
      all pixels) or 'none'.
    grid: rows and columns of patches.

  Returns:
    Labels [H, W] uint8, 255 where unknown, and a mask of the answers, [H, W]
    bool.
  """
  if mode not in MODES:
    raise ValueError(f'{mode!r} is not one of {MODES}')
  other = np.ones(len(points), bool)
  other[list(asked)] = False
  labels = np.full_like(pseudo, IGNORE)
  if mode == 'points':
    rows, cols = np.moveaxis(points[other], -1, 0)
    labels[rows, cols] = pseudo[rows, cols]
  elif mode == 'dense':
    known = grid_lib.pixels_of(other, pseudo.shape, *grid)
    labels[known] = pseudo[known]
  answer_rows, answer_cols, answer_labels = answers
  labels[answer_rows, answer_cols] = answer_labels
  answered = np.zeros(labels.shape, bool)
  answered[answer_rows, answer_cols] = True
  return labels, answered
