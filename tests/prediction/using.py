"""A model that was trained for a moment, and the programs that use it."""

import json
import pathlib

import numpy as np
from launching import STREETS, TINY, succeed
from PIL import Image

from pointsup_jax.data import classes
from pointsup_jax.data.streets import scenes

SIZE = (64, 128)  # at which the network sees images
# The network's own, larger, taller, uneven, and one of many tiles.
SIZES = (SIZE, (150, 200), (270, 180), (67, 131), (620, 500))
PALETTE = [[i, 255 - i, 7 * i] for i in range(19)]


def train(folder: pathlib.Path) -> pathlib.Path:
  """A workdir with the models of stage 1, and their evaluated predictions.

  The evaluation images are in folder/data/images, of all `SIZES`. They can be
  used without folder/data, where the run has its classes from.
  """
  data = folder / 'data'
  for part in ('images', 'labels'):
    (data / part / 'a').mkdir(parents=True)
  for i, size in enumerate(SIZES):
    image, labels = scenes.render('camera', 'test', i, 0, size)
    Image.fromarray(image).save(data / f'images/a/{i}.png')
    Image.fromarray(labels).save(data / f'labels/a/{i}.png')
  names = list(classes.CITYSCAPES.names)
  (data / 'classes.json').write_text(
    json.dumps({'classes': names, 'palette': PALETTE})
  )
  args = (
    STREETS, *TINY,
    f'--workdir={folder / "run"}',
    f'--config.data.root={data}',
    '--config.data.classes=classes.json',
    '--config.data.evaluation.dataset=image_folder',
    '--config.data.evaluation.split=',
    f'--config.data.evaluation.size={SIZE}',
    '--config.evaluate.save_predictions',
    '--config.evaluate.batch_size=1',
    '--config.train.checkpoint_every=5',
    '--config.uda.source_only_steps=2',
    '--config.uda.steps=10',
  )  # fmt: skip
  for stage in ('uda', 'evaluate'):
    succeed(*args, f'--stage={stage}')
  return folder / 'run'


def pixels(path: pathlib.Path) -> np.ndarray:
  """The content of a PNG."""
  return np.asarray(Image.open(path))


def enlarged(x: np.ndarray, size: tuple[int, int]) -> np.ndarray:
  """Bilinear with aligned corners by np.interp: [h, w, C] -> [*size, C]."""

  def line(values, new):
    positions = np.linspace(0, len(values) - 1, new)
    return np.interp(positions, np.arange(len(values)), values)

  x = np.apply_along_axis(line, 0, x.astype(np.float64), size[0])
  return np.apply_along_axis(line, 1, x, size[1])
