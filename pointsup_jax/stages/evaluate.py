"""Scores every trained model on evaluation images and on held-back points."""

import functools
from collections.abc import Callable, Mapping, Sequence

import jax
import numpy as np

from pointsup_jax import errors
from pointsup_jax.data import domains, image_files, official, sources
from pointsup_jax.evaluation import confusion, inference
from pointsup_jax.hosts import (
  atomic_files,
  json_files,
  processes,
  progress,
)
from pointsup_jax.models import deeplab
from pointsup_jax.report import paper_tables, screen_table
from pointsup_jax.run import (
  batches,
  recorded_data,
  scores_on_disk,
  trained_models,
)
from pointsup_jax.run import context as run_lib
from pointsup_jax.stages import point_scores, predicted_scores
from pointsup_jax.training import checkpoint
from pointsup_jax.types import Array, Batch, Variables


def score(run: run_lib.Run) -> None:
  """Evaluates all trained models that have no valid scores yet."""
  steps = processes.by_first(
    lambda: {
      model.name: checkpoint.steps_in(model.phase.checkpoints)
      for model in trained_models.all_of(run.workdir)
    },
    'which models there are',
  )
  trained = [
    model for model in trained_models.all_of(run.workdir) if steps[model.name]
  ]
  if not trained and not run.config.uda.predictions:
    lost = '; '.join(trained_models.lost(run.workdir, run.config).values())
    raise errors.UsageError(
      f'--stage=evaluate: there is no model in {run.workdir}; '
      + (lost or 'run --stage=uda or --stage=all')
    )
  if domains.has_evaluation(run.config.data):
    score_images(run, trained, steps)
  if run.config.adapt.holdout and trained:
    point_scores.score(run, trained)


def score_images(
  run: run_lib.Run,
  trained: Sequence[trained_models.Model],
  steps: Mapping[str, Sequence[int]],
) -> None:
  """Scores models on the evaluation images; `steps` are those of each model."""
  data, count = recorded_data.check_evaluation(run), counter(run)
  scored = {
    run.title(model): [scores_of(run, model, count, data)] for model in trained
  }
  if run.config.uda.predictions:
    scored = predicted_scores.score(run, data) | scored
  if not scored:
    return
  columns = {
    name: np.array(last['iou'], float) for name, [last] in scored.items()
  }
  progress.show(
    screen_table.iou_table(
      columns, run.classes.names, run.classes.subset_indices
    )
  )
  if run.config.evaluate.all_kept:
    for model in trained:
      title = run.title(model)
      [last] = scored[title]
      earlier = [step for step in steps[model.name] if step < last['step']]
      scored[title] = [
        *(scores_of(run, model, count, data, step) for step in earlier),
        last,
      ]
    show_steps(run, scored)


def show_steps(run: run_lib.Run, scored: Mapping[str, Sequence[dict]]) -> None:
  """Prints and writes the mIoU over steps of each model.

  `scored` maps a model's name to its scores at each step, in ascending order.
  """
  steps = {
    name: [(scores['step'], scores['miou']) for scores in known]
    for name, known in scored.items()
  }
  progress.show(f'\n{screen_table.steps_table(steps)}')
  if processes.is_first():
    path = run.workdir.evaluated_steps(run.config.data.evaluation.split)
    atomic_files.write(path, paper_tables.checkpoints_csv(steps).encode())


def scores_of(
  run: run_lib.Run,
  model: trained_models.Model,
  count: Callable,
  data: str,
  step: int | None = None,
) -> dict:
  """Reads the scores of a model, or computes and writes them.

  `count` is `counter(run)`; `data` is the fingerprint of the evaluation data;
  `step` is that of an earlier checkpoint, None for the last one.
  """
  is_last = step is None
  at, variables = run.trained(model.phase, step)
  known = processes.by_first(
    functools.partial(
      scores_on_disk.known, run, model, at, data, is_last=is_last
    ),
    'known scores',
  )
  if known is not None:
    return known
  which = model.name if is_last else f'{model.name} at step {step}'
  save = run.config.evaluate.save_predictions and is_last
  saved_as = model.name if save else None
  matrix, of_image = confusion_of(run, variables, count, which, saved_as)
  found = {
    **scores_on_disk.about(run, model, at, data),
    **scores_on_disk.described(run.classes, matrix, of_image),
    'predictions_saved': save,
  }
  if processes.is_first():
    split = run.config.data.evaluation.split
    json_files.write(run.workdir.evaluation(model.name, split, step), found)
  return found


def counter(run: run_lib.Run) -> Callable:
  """Compiles `count_batch` as a function of variables and batch."""
  return batches.compiled(
    run,
    functools.partial(
      count_batch,
      segmenter=run.segmenter(),
      num_classes=run.classes.num_classes,
    ),
  )


def confusion_of(
  run: run_lib.Run,
  variables: Variables,
  count: Callable,
  title: str,
  saved_as: str | None,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
  """Confusion matrix [C, C] over all evaluation images, and counts of each.

  Those are `confusion.counts` [3, C].

  The network sees images at config.data.evaluation.size; its logits are resized
  to the labels' size on disk. `count` is `counter(run)`; `saved_as` is the name
  to write predictions under, None to write none.
  """
  config = run.config
  native = run.source('evaluation', labelled=True, full_labels=True)
  source = sources.with_images_of(native, tuple(config.data.evaluation.size))
  # A batch has labels of one size.
  batch_size = config.evaluate.batch_size if domains.of_one_size(native) else 1
  total = np.zeros((run.classes.num_classes,) * 2, np.int64)
  of_image: dict[str, np.ndarray] = {}
  for names, batch, valid in batches.every_image(
    run, source, batch_size, f'evaluation of {title}'
  ):
    matrices, predictions = count(variables, batch)
    for image, matrix in zip(
      names[:valid], np.asarray(matrices, np.int64), strict=False
    ):
      total += matrix
      of_image[image] = confusion.counts(matrix)
    if saved_as and processes.is_first():
      save(run, saved_as, names[:valid], np.asarray(predictions))
  return total, of_image


def count_batch(
  variables: Variables,
  batch: Batch,
  *,
  segmenter: deeplab.DeepLabV2,
  num_classes: int,
) -> tuple[jax.Array, jax.Array]:
  """Confusion matrices [B, C, C] and predictions [B, H, W] uint8."""
  small = inference.small_logits(segmenter, variables, batch.images)
  return count(small, batch.labels, num_classes=num_classes)


def count(
  small_logits: jax.Array, labels: Array, *, num_classes: int
) -> tuple[jax.Array, jax.Array]:
  """Confusion matrices [B, C, C] and predictions [B, H, W] uint8 from logits.

  `small_logits` is the network's output, [B, h, w, C]; `labels` is [B, H, W].
  """
  height, width = labels.shape[1:]
  predictions = inference.labels(small_logits, (height, width))
  matrices = jax.vmap(
    lambda labels, predicted: confusion.confusion_matrix(
      labels, predicted, num_classes
    )
  )(labels, predictions)
  return matrices, predictions


def save(
  run: run_lib.Run, model: str, names: list[str], predictions: np.ndarray
) -> None:
  """Writes predictions, mapping train ids to the ids of the label files."""
  evaluation = run.config.data.evaluation
  ids = official.file_ids(evaluation.dataset, run.classes)
  for name, prediction in zip(names, predictions, strict=False):
    path = run.workdir.prediction(model, evaluation.split, name)
    image_files.write_labels(path, ids[prediction])
