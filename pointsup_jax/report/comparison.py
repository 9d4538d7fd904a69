"""What the scores of the models say: means, differences, confusions, images."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np


class Scores(NamedTuple):
  """How one model did on the evaluation images."""

  column: str  # the model's name in tables
  step: int
  images: int
  iou: np.ndarray  # [C] within [0, 1]; NaN where the class is in no label
  means: dict[str, float]  # 'mIoU', 'mIoU (16)', ...; NaN where undefined
  matrix: np.ndarray  # [C, C] int64 pixels, rows = truth
  image_miou: dict[str, float]  # of images in which it is defined


class Confusion(NamedTuple):
  """Pixels of one class that were taken for another."""

  truth: int
  taken_for: int
  share: float  # of the pixels that are `truth`
  pixels: int


def from_json(column: str, known: Mapping[str, Any]) -> Scores:
  """What evaluate/<model>-<split>.json says.

  The means are as evaluation has them: a class that is in no label but was
  predicted counts as 0 there. Its own IoU is NaN here, as nothing of it could
  have been found.
  """
  matrix = np.array(known['confusion'], np.int64)
  iou = np.array(known['iou'], float)  # None becomes NaN
  means = {'mIoU': known['miou']} | {
    f'mIoU ({name})': value for name, value in known['miou_subsets'].items()
  }
  return Scores(
    column=column,
    step=known['step'],
    images=known['images'],
    iou=np.where(in_truth(matrix), iou, np.nan),
    means={
      name: np.nan if value is None else value for name, value in means.items()
    },
    matrix=matrix,
    image_miou={
      name: value
      for name, value in known['image_miou'].items()
      if value is not None
    },
  )


def average(column: str, seeds: Sequence[Scores]) -> Scores:
  """The mean over runs of one setting, class by class; pixels are added."""
  return Scores(
    column=column,
    step=seeds[0].step,
    images=sum(scores.images for scores in seeds),
    iou=_mean_of_known(np.stack([scores.iou for scores in seeds])),
    means={
      name: float(np.mean([scores.means[name] for scores in seeds]))
      for name in seeds[0].means
    },
    matrix=np.sum([scores.matrix for scores in seeds], axis=0),
    image_miou={},
  )


def _mean_of_known(values: np.ndarray) -> np.ndarray:
  """The mean over the first axis without NaNs; NaN where there is no other."""
  known = ~np.isnan(values)
  count = known.sum(axis=0)
  total = np.where(known, values, 0.0).sum(axis=0)
  return np.divide(
    total, count, out=np.full(total.shape, np.nan), where=count > 0
  )


def in_truth(matrix: np.ndarray) -> np.ndarray:
  """Which classes have labelled pixels: [C] bool."""
  return matrix.sum(axis=1) > 0


def false_alarms(matrix: np.ndarray) -> list[int]:
  """The classes that are in no label and were predicted all the same."""
  return np.flatnonzero(~in_truth(matrix) & (matrix.sum(axis=0) > 0)).tolist()


def shares(matrix: np.ndarray) -> np.ndarray:
  """Each row over its sum: [C, C]; NaN for classes that are in no label."""
  pixels = matrix.sum(axis=1, keepdims=True)
  return np.divide(
    matrix, pixels, out=np.full(matrix.shape, np.nan), where=pixels > 0
  )


def worst_confusions(matrix: np.ndarray, count: int = 3) -> list[Confusion]:
  """The pairs of classes that most of the true class is lost to.

  Args:
    matrix: [C, C] counts, rows = truth.
    count: how many at most; pairs that were never confused are left out.

  Returns:
    The largest share first; among equal shares, the most pixels first.
  """
  share = shares(matrix)
  pairs = [
    Confusion(i, j, float(share[i, j]), int(matrix[i, j]))
    for i, j in np.argwhere(matrix > 0).tolist()
    if i != j
  ]
  pairs.sort(key=lambda pair: (-pair.share, -pair.pixels))
  return pairs[:count]


def extremes(of_image: Mapping[str, float]) -> dict[str, str]:
  """The images with the highest, the middle and the lowest value.

  Args:
    of_image: a number for each image.

  Returns:
    'best', 'median' and 'worst' -> name; fewer where there are fewer images.
    Of an even number, the lower middle; ties go by the name.
  """
  ranked = sorted(of_image, key=lambda name: (of_image[name], name))
  if not ranked:
    return {}
  places = {
    'best': len(ranked) - 1,
    'median': (len(ranked) - 1) // 2,
    'worst': 0,
  }
  found: dict[str, str] = {}
  for title, place in places.items():
    if ranked[place] not in found.values():
      found[title] = ranked[place]
  return found


def differences(scores: Sequence[Scores]) -> list[np.ndarray | None]:
  """What each model gained over the one before: [C] IoU; None for the first."""
  return [
    None,
    *(after.iou - before.iou for before, after in itertools.pairwise(scores)),
  ]
