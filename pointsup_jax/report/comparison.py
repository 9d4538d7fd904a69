"""Compares model scores: means, differences, confusions and images."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np


class Scores(NamedTuple):
  """One model's scores on the evaluation images."""

  column: str  # the model's name in tables
  model: str  # its column in `run.trained_models`; '' for means over seeds
  network: str  # of the model; see `run.context.Run.network`
  step: int
  images: int
  iou: np.ndarray  # [C] in [0, 1]; NaN for classes absent from the labels
  means: dict[str, float]  # 'mIoU', 'mIoU (16)', ...; NaN where undefined
  matrix: np.ndarray  # [C, C] int64 pixels, rows = truth
  image_miou: dict[str, float]  # only images where it is defined
  image_counts: dict[str, np.ndarray]  # [3, C] of each: `confusion.counts`


class Confusion(NamedTuple):
  """Pixels of one class predicted as another."""

  truth: int
  taken_for: int
  share: float  # of the pixels of class `truth`
  pixels: int


def from_json(column: str, model: str, known: Mapping[str, Any]) -> Scores:
  """Parses evaluate/<model>-<split>.json.

  A class that is predicted but absent from the labels has IoU NaN here, but
  counts as 0 in the means, which are evaluation's.
  """
  matrix = np.array(known['confusion'], np.int64)
  iou = np.array(known['iou'], float)  # None becomes NaN
  means = {'mIoU': known['miou']} | {
    f'mIoU ({name})': value for name, value in known['miou_subsets'].items()
  }
  return Scores(
    column=column,
    model=model,
    network=known['network'],
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
    image_counts={
      name: np.array(counts, np.int64)
      for name, counts in known['image_counts'].items()
    },
  )


def average(column: str, seeds: Sequence[Scores]) -> Scores:
  """Averages one setting's scores over seeds; sums pixels and images.

  Without those of images; `network` and `step` are the first seed's.
  """
  return Scores(
    column=column,
    model='',
    network=seeds[0].network,
    step=seeds[0].step,
    images=sum(scores.images for scores in seeds),
    iou=mean_of_known(np.stack([scores.iou for scores in seeds])),
    means={
      name: float(np.mean([scores.means[name] for scores in seeds]))
      for name in seeds[0].means
    },
    matrix=np.sum([scores.matrix for scores in seeds], axis=0),
    image_miou={},
    image_counts={},
  )


def mean_of_known(values: np.ndarray) -> np.ndarray:
  """Mean over the first axis, ignoring NaNs; NaN if all are."""
  return np.ma.masked_invalid(values).mean(axis=0).filled(np.nan)


def in_truth(matrix: np.ndarray) -> np.ndarray:
  """Which classes have labelled pixels: [C] bool."""
  return matrix.sum(axis=1) > 0


def false_alarms(matrix: np.ndarray) -> list[int]:
  """Classes predicted but absent from the labels."""
  return np.flatnonzero(~in_truth(matrix) & (matrix.sum(axis=0) > 0)).tolist()


def shares(matrix: np.ndarray) -> np.ndarray:
  """The matrix [C, C] with rows summing to 1; NaN if a class is absent."""
  pixels = matrix.sum(axis=1, keepdims=True)
  return np.divide(
    matrix, pixels, out=np.full(matrix.shape, np.nan), where=pixels > 0
  )


def worst_confusions(matrix: np.ndarray, count: int = 3) -> list[Confusion]:
  """The `count` largest confusions, sorted by share, then by pixels.

  `matrix` holds counts [C, C], rows = truth; pairs without pixels are excluded.
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
  """Maps 'best', 'median' and 'worst' to the image with that value.

  The median is the lower middle; ties are broken by name. With fewer than three
  images, each is listed once.
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
  """IoU gains [C] of each model over the previous; None for the first."""
  return [
    None,
    *(after.iou - before.iou for before, after in itertools.pairwise(scores)),
  ]
