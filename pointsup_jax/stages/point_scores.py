"""Scores models on the points held back from training."""

import functools
from collections.abc import Callable, Sequence

import jax
import numpy as np

from pointsup_jax import errors
from pointsup_jax.data import sources
from pointsup_jax.evaluation import inference
from pointsup_jax.hosts import json_files, processes, progress
from pointsup_jax.models import deeplab
from pointsup_jax.report import held_back as shown
from pointsup_jax.run import batches, held_back, trained_models
from pointsup_jax.run import context as run_lib
from pointsup_jax.types import Array, Variables


def score(run: run_lib.Run, models: Sequence[trained_models.Model]) -> None:
  """Scores models, in order of training, and prints a table."""
  # As JSON, a point becomes a list.
  points = [
    held_back.Point(*fields)
    for fields in processes.by_first(
      lambda: [list(point) for point in held_back.points(run)],
      'the points held back',
    )
  ]
  if not points:
    progress.say(
      'note: no scores on points: none that is held back (adapt.holdout='
      f'{run.config.adapt.holdout}) has been answered with a class'
    )
    return
  predict = batches.compiled(
    run, functools.partial(predict_batch, segmenter=run.segmenter())
  )
  made = {
    model.column: predictions_of(run, model, points, predict)
    for model in models
  }
  progress.show(shown.screen(shown.compare(run, points, made)))


def predictions_of(
  run: run_lib.Run,
  model: trained_models.Model,
  points: Sequence[held_back.Point],
  predict: Callable,
) -> list[int]:
  """Reads a model's classes at the points, or computes and writes them.

  `predict` is the compiled `predict_batch`.
  """
  at, variables = run.trained(model.phase)
  known = processes.by_first(
    functools.partial(held_back.known, run, model, at, points),
    'known scores on points',
  )
  if known is not None:
    return known['predictions']
  found: dict[str, int] = {}
  of_image: dict[str, list[held_back.Point]] = {}
  for point in points:
    of_image.setdefault(point.image, []).append(point)
  for names, batch, valid in batches.every_image(
    run,
    images_of(run, list(of_image)),
    run.config.evaluate.batch_size,
    f'held-back points of {model.name}',
  ):
    labels = np.asarray(predict(variables, batch.images))
    for name, predicted in zip(names[:valid], labels, strict=False):
      for point in of_image[name]:
        found[point.id] = int(predicted[point.row, point.col])
  predictions = [found[point.id] for point in points]
  if processes.is_first():
    right = sum(
      guess == point.answer
      for guess, point in zip(predictions, points, strict=True)
    )
    json_files.write(
      run.workdir.held_back(model.name),
      {
        **held_back.about(run, model, at, points),
        'images': len(of_image),
        'accuracy': right / len(points),
        'predictions': predictions,
      },
    )
  return predictions


def images_of(run: run_lib.Run, names: Sequence[str]) -> sources.Source:
  """The target images with these names."""
  source = run.source('target', labelled=False)
  index = {name: i for i, name in enumerate(source.names)}
  gone = [name for name in names if name not in index]
  if gone:
    raise errors.UserError(
      f'there are points to score on in image {gone[0]!r}, which is not among '
      f'the {len(index)} target images; restore them or use another workdir'
    )
  return sources.Subset(source, [index[name] for name in names])


def predict_batch(
  variables: Variables, images: Array, *, segmenter: deeplab.DeepLabV2
) -> jax.Array:
  """Classes [B, H, W] uint8 of images [B, H, W, 3] uint8."""
  small = inference.small_logits(segmenter, variables, images)
  height, width = images.shape[1:3]
  return inference.labels(small, (height, width))
