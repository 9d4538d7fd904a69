"""What --tta is worth: mIoU of a run's models with it and without.

python -m experiments.test_time_augmentation WORKDIR
"""

import pathlib
import sys

import numpy as np

from pointsup_jax.evaluation import confusion
from pointsup_jax.prediction import loaded_model as model_lib
from pointsup_jax.prediction import segmenting
from pointsup_jax.training import sharding


def miou(model: model_lib.Loaded, views: tuple[segmenting.View, ...]) -> float:
  """The mean IoU on the run's evaluation images."""
  segmenter = segmenting.Segmenter(
    model.segmenter,
    model.variables,
    views,
    sharding.replicated(model.run.mesh),
  )
  source = model.run.source('evaluation', labelled=True, full_labels=True)
  num_classes = model.classes.num_classes
  total = np.zeros((num_classes, num_classes), np.int64)
  for index in range(len(source)):
    example = source[index]
    seen = segmenting.as_seen(example.image, views)
    logits = segmenter.small_logits({k: x[None] for k, x in seen.items()})
    labels = segmenter.enlarge(logits[0], example.labels.shape).labels
    total += confusion.confusion_matrix(example.labels, labels, num_classes)
  return confusion.mean_iou(total)


def main(workdir: pathlib.Path) -> None:
  """Prints a line for each model."""
  for phase in reversed(model_lib.PHASES):
    model = model_lib.load(workdir, phase)
    without = miou(model, segmenting.plain(model.size))
    augmented = miou(model, segmenting.augmented(model.size))
    print(f'{phase:12} {100 * without:5.2f} {100 * augmented:5.2f}', flush=True)


if __name__ == '__main__':
  main(pathlib.Path(sys.argv[1]))
