"""The files of scores: what they hold, and whether they still apply."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any, TypeAlias, TypedDict

import msgspec
import numpy as np

from pointsup_jax.data import classes as classes_lib
from pointsup_jax.evaluation import confusion
from pointsup_jax.hosts import json_files
from pointsup_jax.run import context as run_lib
from pointsup_jax.run import trained_models

_Share: TypeAlias = json_files.Number | None  # in [0, 1]


class _Scores(TypedDict):
  """What all readers of the file rely on."""

  network: str  # see `context.Run.network`
  step: json_files.Count
  images: json_files.Count
  miou: _Share
  miou_subsets: dict[str, _Share]
  iou: list[_Share]
  confusion: list[list[json_files.Count]]  # rows = truth
  image_miou: dict[str, _Share]
  image_counts: dict[str, list[list[json_files.Count]]]  # `confusion.counts`


def of_classes(classes: classes_lib.ClassSet) -> json_files.Parse:
  """Makes the `parse` of evaluate/*.json, which returns it as it is."""

  def checked(found: dict[str, Any]) -> dict[str, Any]:
    msgspec.convert(found, _Scores)
    rows = (found['iou'], found['confusion'], *found['confusion'])
    for counts in found['image_counts'].values():
      if len(counts) != 3:
        raise ValueError('it counts something else of each image')
      rows += tuple(counts)
    if any(len(row) != classes.num_classes for row in rows):
      raise ValueError(f'it is not of {classes.num_classes} classes')
    if found['miou_subsets'].keys() != classes.subsets.keys():
      raise ValueError('it has the means of other subsets')
    return found

  return checked


def known(
  run: run_lib.Run,
  model: trained_models.Model,
  step: int,
  data: str,
  *,
  is_last: bool,
) -> dict | None:
  """The saved scores of a model at a step; None if absent or outdated.

  `data` is the fingerprint of the evaluation data (`recorded_data`).
  """
  split = run.config.data.evaluation.split
  known = read(
    run.workdir.evaluation(model.name, split, None if is_last else step),
    about(run, model, step, data),
    of_classes(run.classes),
  )
  predictions = run.config.evaluate.save_predictions and is_last
  if known and predictions and not known.get('predictions_saved'):
    return None
  return known


def read(
  path: pathlib.Path, expected: dict[str, Any], parse: json_files.Parse
) -> dict | None:
  """The scores in a file; None if it is absent or lacks `expected` fields."""
  known = json_files.read_derived(path, parse)
  if known is None:
    return None
  fits = all(known.get(field) == value for field, value in expected.items())
  return known if fits else None


def about(
  run: run_lib.Run,
  model: trained_models.Model,
  step: int,
  data: str,
  domain: str = 'evaluation',
) -> dict:
  """The fields, besides the model's phase, that scores depend on."""
  return {
    'network': run.network(model.phase),
    'step': step,
    'data': data,
    **json.loads(run.config.data[domain].to_json()),
    'data_root': run.config.data.root,
    'classes': list(run.classes.names),
  }


def described(
  classes: classes_lib.ClassSet,
  matrix: np.ndarray,
  of_image: Mapping[str, np.ndarray],
) -> dict:
  """Scores of a confusion matrix [C, C] and each image's counts [3, C]."""
  return {
    'images': len(of_image),
    'miou': _or_none(confusion.mean_iou(matrix)),
    'miou_subsets': {
      subset: _or_none(confusion.mean_iou(matrix, indices))
      for subset, indices in classes.subset_indices.items()
    },
    'iou': [_or_none(x) for x in confusion.iou(matrix)],
    'confusion': matrix.tolist(),
    'image_miou': {
      image: _or_none(confusion.mean_of(confusion.iou_of(counts)))
      for image, counts in of_image.items()
    },
    'image_counts': {image: x.tolist() for image, x in of_image.items()},
  }


def _or_none(value: float) -> float | None:
  """Replaces NaN by None, because JSON has no NaN."""
  return None if np.isnan(value) else float(value)
