"""The label maps of stage 3: people's answers and the model's own guesses."""

from collections.abc import Collection

import numpy as np

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
  """What stage 3 learns of a target image (Eq. 6).

  In a patch that was asked about only its answers count: points without an
  answer are ignored there, they do not fall back on the pseudo label.

  Args:
    pseudo: [H, W] uint8, the pseudo labels.
    points: [P, N, 2] integer, rows and columns drawn in every patch.
    asked: the patches that were asked about.
    answers: rows [A], columns [A] and labels [A] of the answers in those
      patches; 255 where the annotator saw no class.
    mode: how the other patches are labelled: 'points' (pseudo labels at the
      points), 'dense' (at all pixels) or 'none'.
    grid: rows and columns of patches.

  Returns:
    The labels, [H, W] uint8, 255 wherever nothing is known; and which of them
    are answers, [H, W] bool.
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
    height, width = pseudo.shape[0] // grid[0], pseudo.shape[1] // grid[1]
    known = other.reshape(grid).repeat(height, axis=0).repeat(width, axis=1)
    labels[known] = pseudo[known]
  answer_rows, answer_cols, answer_labels = answers
  labels[answer_rows, answer_cols] = answer_labels
  answered = np.zeros(labels.shape, bool)
  answered[answer_rows, answer_cols] = True
  return labels, answered
