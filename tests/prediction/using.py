"""A briefly trained model and the programs that use it."""

import json
import pathlib

import numpy as np
import trees
from launching import STREETS, TINY, succeed
from PIL import Image

from pointsup_jax.data import classes
from pointsup_jax.data.streets import scenes
from pointsup_jax.prediction import loaded_model, segmenting
from pointsup_jax.training import sharding

SIZE = (64, 128)  # the network's input
# The network's size, larger, taller, uneven, and one of many tiles.
SIZES = (SIZE, (150, 200), (270, 180), (67, 131), (620, 500))
PALETTE = [[i, 255 - i, 7 * i] for i in range(19)]


def train(folder: pathlib.Path) -> pathlib.Path:
  """Trains stage 1 and saves predictions for folder/data/images (`SIZES`).

  Evaluation takes images one by one, because their sizes differ.
  """
  data = folder / 'data'
  for i, size in enumerate(SIZES):
    image, labels = scenes.render('camera', 'test', i, 0, size)
    trees.save(data / f'images/a/{i}.png', image)
    trees.save(data / f'labels/a/{i}.png', labels)
  table = {'classes': classes.CITYSCAPES.names, 'palette': PALETTE}
  (data / 'classes.json').write_text(json.dumps(table))
  args = (
    STREETS, *TINY,
    f'--workdir={folder / "run"}',
    f'--config.data.root={data}',
    '--config.data.classes=classes.json',
    '--config.data.evaluation.dataset=image_folder',
    '--config.data.evaluation.split=',
    f'--config.data.evaluation.size={SIZE}',
    '--config.evaluate.save_predictions',
    '--config.train.checkpoint_every=5',
    '--config.uda.source_only_steps=2',
    '--config.uda.steps=10',
  )  # fmt: skip
  for stage in ('uda', 'evaluate'):
    succeed(*args, f'--stage={stage}')
  return folder / 'run'


def pixels(path: pathlib.Path) -> np.ndarray:
  return np.asarray(Image.open(path))


def segmenter_of(trained: loaded_model.Loaded, views) -> segmenting.Segmenter:
  return segmenting.Segmenter(
    trained.segmenter, trained.variables, views, sharding.split(sharding.mesh())
  )


def small_logits(segmenter: segmenting.Segmenter, image: np.ndarray, views):
  seen = segmenting.as_seen(image, views)
  return segmenter.small_logits({k: x[None] for k, x in seen.items()})[0]


def enlarged(x: np.ndarray, size: tuple[int, int]) -> np.ndarray:
  """Bilinear with aligned corners by np.interp: [h, w, C] -> [*size, C]."""

  def line(values, new):
    positions = np.linspace(0, len(values) - 1, new)
    return np.interp(positions, np.arange(len(values)), values)

  x = np.apply_along_axis(line, 0, x.astype(np.float64), size[0])
  return np.apply_along_axis(line, 1, x, size[1])
