"""Scores every trained model on the evaluation images, and prints the table."""

import functools
import json

import jax
import numpy as np

from pointsup_jax import errors, processes, progress, stop
from pointsup_jax.data import image_files, official, sources
from pointsup_jax.evaluation import confusion, predict
from pointsup_jax.models import deeplab
from pointsup_jax.reporting import tables
from pointsup_jax.stages import batches, models
from pointsup_jax.stages import run as run_lib
from pointsup_jax.stages import workdir as workdir_lib
from pointsup_jax.types import Array, Batch, Variables


def run(run: run_lib.Run) -> None:
  """Evaluates what has been trained, unless it has been already."""
  trained = processes.decided(
    lambda: [
      model.name
      for model in models.of(run.workdir)
      if model.phase.checkpoints.is_dir()
    ],
    'which models there are',
  )
  columns = {
    model.column: np.array(scores_of(run, model)['iou'], float)
    for model in models.of(run.workdir)
    if model.name in trained
  }
  if not columns:
    raise errors.UsageError(
      f'--stage=evaluate: no model has been trained in {run.workdir}; run '
      '--stage=uda or --stage=all'
    )
  print(
    tables.iou_table(columns, run.classes.names, run.classes.subset_indices)
  )


def scores_of(run: run_lib.Run, model: models.Model) -> dict:
  """The scores of a phase's last model, from its file or computed."""
  step, variables = run.trained(model.phase)
  known = processes.decided(
    functools.partial(known_scores, run, model.name, step), 'known scores'
  )
  if known is not None:
    return known
  matrix, image_miou = confusion_of(run, variables, model.name)
  iou = confusion.iou(matrix)
  found = {
    **about(run, step),
    'images': len(image_miou),
    'miou': _or_none(confusion.mean_iou(matrix)),
    'miou_subsets': {
      subset: _or_none(confusion.mean_iou(matrix, indices))
      for subset, indices in run.classes.subset_indices.items()
    },
    'iou': [_or_none(x) for x in iou],
    'confusion': matrix.tolist(),
    'image_miou': {image: _or_none(x) for image, x in image_miou.items()},
    'predictions_saved': run.config.evaluate.save_predictions,
  }
  if processes.is_first():
    split = run.config.data.evaluation.split
    workdir_lib.write_json(run.workdir.evaluation(model.name, split), found)
  return found


def known_scores(run: run_lib.Run, name: str, step: int) -> dict | None:
  """The scores of a phase's model at a step, if they are there."""
  path = run.workdir.evaluation(name, run.config.data.evaluation.split)
  if not path.exists():
    return None
  known = json.loads(path.read_text())
  expected = about(run, step)
  fits = all(known.get(field) == value for field, value in expected.items())
  whole = 'image_miou' in known  # earlier versions did not write it
  predictions = run.config.evaluate.save_predictions
  saved = known.get('predictions_saved') or not predictions
  return known if fits and whole and saved else None


def about(run: run_lib.Run, step: int) -> dict:
  """What scores depend on, beside the model's phase."""
  return {
    'step': step,
    **json.loads(run.config.data.evaluation.to_json()),
    'data_root': run.config.data.root,
    'classes': list(run.classes.names),
  }


def confusion_of(
  run: run_lib.Run, variables: Variables, name: str
) -> tuple[np.ndarray, dict[str, float]]:
  """Confusion matrix [C, C] over all evaluation images, and the mIoU of each.

  The network sees the images at config.data.evaluation.size; its logits are
  enlarged to the size of the labels, which is theirs on disk.
  """
  config = run.config
  native = run.source('evaluation', labelled=True, full_labels=True)
  source = sources.ResizedImages(native, tuple(config.data.evaluation.size))
  count = batches.compiled(
    run,
    functools.partial(
      count_batch,
      segmenter=run.segmenter(),
      num_classes=run.classes.num_classes,
    ),
  )
  total = np.zeros((run.classes.num_classes,) * 2, np.int64)
  image_miou: dict[str, float] = {}
  with progress.Progress(
    f'evaluation of {name}', len(source), start=0, unit='image'
  ) as bar:
    for names, batch, valid in batches.every_image(
      run, source, config.evaluate.batch_size
    ):
      matrices, predictions = count(variables, batch)
      for image, matrix in zip(
        names[:valid], np.asarray(matrices, np.int64), strict=False
      ):
        total += matrix
        image_miou[image] = confusion.mean_iou(matrix)
      if config.evaluate.save_predictions and processes.is_first():
        save(run, name, names[:valid], np.asarray(predictions))
      bar.update(len(image_miou))
      stop.check()
  return total, image_miou


def count_batch(
  variables: Variables,
  batch: Batch,
  *,
  segmenter: deeplab.DeepLabV2,
  num_classes: int,
) -> tuple[jax.Array, jax.Array]:
  """Confusion matrices [B, C, C], and predictions [B, H, W] uint8."""
  small = predict.small_logits(segmenter, variables, batch.images)
  return count(small, batch.labels, num_classes=num_classes)


def count(
  small_logits: jax.Array, labels: Array, *, num_classes: int
) -> tuple[jax.Array, jax.Array]:
  """Everything that comes after the network.

  Args:
    small_logits: [B, h, w, C], as the network gives them.
    labels: [B, H, W], at whose size predictions are counted.
    num_classes: C.

  Returns:
    Confusion matrices [B, C, C], and predictions [B, H, W] uint8.
  """
  height, width = labels.shape[1:]
  predictions = predict.labels(small_logits, (height, width))
  matrices = jax.vmap(
    lambda labels, predicted: confusion.confusion_matrix(
      labels, predicted, num_classes
    )
  )(labels, predictions)
  return matrices, predictions


def save(
  run: run_lib.Run, model: str, names: list[str], predictions: np.ndarray
) -> None:
  """Writes predictions of train ids under the ids of the label files."""
  evaluation = run.config.data.evaluation
  ids = np.arange(run.classes.num_classes, dtype=np.uint8)
  if evaluation.dataset in official.LAYOUTS:
    of_class = official.LAYOUTS[evaluation.dataset].ids
    ids = np.array([of_class[name] for name in run.classes.names], np.uint8)
  for name, prediction in zip(names, predictions, strict=False):
    path = run.workdir.prediction(model, evaluation.split, name)
    image_files.write_labels(path, ids[prediction])


def _or_none(value: float) -> float | None:
  """JSON has no NaN."""
  return None if np.isnan(value) else float(value)
