"""Scores the predictions of another model, which took the place of stage 1."""

import numpy as np

from pointsup_jax.evaluation import confusion
from pointsup_jax.hosts import json_files, processes, progress, stopping
from pointsup_jax.run import context as run_lib
from pointsup_jax.run import (
  predicted,
  recorded_data,
  scores_on_disk,
  trained_models,
)


def score(run: run_lib.Run, data: str) -> dict[str, list[dict]]:
  """Its scores by its title; none if there are no files for them.

  `data` is the fingerprint of the evaluation data.
  """
  if why := predicted.lacks_evaluation(run):
    progress.say(f'note: the model of stage 1 is not scored: {why}')
    return {}
  [model] = [
    x for x in trained_models.all_of(run.workdir) if x.phase == run.workdir.uda
  ]
  about = scores_on_disk.about(run, model, 0, data) | {
    'predictions': recorded_data.check_predictions(run)
  }
  path = run.workdir.evaluation(model.name, run.config.data.evaluation.split)
  parse = scores_on_disk.of_classes(run.classes)

  def known() -> dict | None:
    return scores_on_disk.read(path, about, parse)

  def write() -> None:
    found = scores_on_disk.described(run.classes, *_confusion(run))
    json_files.write(path, about | found)

  if processes.by_first(known, 'known scores') is None:
    stopping.run_by_first(write, 'the scores of predictions')
  return {run.title(model): [processes.by_first(known, 'the new scores')]}


def _confusion(
  run: run_lib.Run,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
  """The confusion matrix [C, C] at the labels' size, and counts by image."""
  folder = predicted.open_folder(run)
  shapes = predicted.shapes_of(run, 'evaluation')
  native = run.source('evaluation', labelled=True, full_labels=True)
  total = np.zeros((run.classes.num_classes,) * 2, np.int64)
  of_image: dict[str, np.ndarray] = {}
  for i in progress.each(range(len(native)), 'evaluation', len(native)):
    stopping.check()
    example = native[i]
    size = example.labels.shape
    labels = folder.labels(example.name, shapes(example.name), size)
    matrix = np.asarray(
      confusion.confusion_matrix(
        example.labels, labels, run.classes.num_classes
      ),
      np.int64,
    )
    total += matrix
    of_image[example.name] = confusion.counts(matrix)
  return total, of_image
