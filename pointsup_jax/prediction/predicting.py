"""Predicts images into a folder: read ahead, batched, written behind."""

import collections
import concurrent.futures
import dataclasses
import itertools
import os
from collections.abc import Iterator, Sequence

import numpy as np

from pointsup_jax import errors
from pointsup_jax.data import image_files
from pointsup_jax.hosts import progress, stopping
from pointsup_jax.prediction import folder as folder_lib
from pointsup_jax.prediction import loaded_model as model_lib
from pointsup_jax.prediction import segmenting
from pointsup_jax.prediction.inputs import Picture
from pointsup_jax.prediction.segmenting import Prediction, Size
from pointsup_jax.training import sharding


@dataclasses.dataclass(frozen=True)
class Read:
  """An image that has been read."""

  picture: Picture
  image: np.ndarray  # [H, W, 3] uint8, RGB
  seen: dict[Size, np.ndarray]  # as the network sees it, at each size


def run(
  model: model_lib.Model,
  pictures: Sequence[Picture],
  out: folder_lib.Folder,
  *,
  views: tuple[segmenting.View, ...],
  batch_size: int,
) -> list[str]:
  """Predicts images into a folder.

  Args:
    model: what predicts.
    pictures: the images.
    out: the folder; a file is there as a whole when its line is in the log.
    views: how the network sees an image.
    batch_size: images in a forward pass; rounded up to what the devices share.

  Returns:
    A line about each image that could not be read; the others are done.

  Raises:
    errors.Stopped: the user asked for it.
    errors.UserError: the model is broken.
  """
  mesh = model.run.mesh
  segmenter = segmenting.Segmenter(
    model.segmenter, model.variables, views, sharding.split(mesh)
  )
  batch_size = sharding.shared_batch(min(batch_size, len(pictures)))
  problems: list[str] = []
  done = 0
  with (
    concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool,
    progress.Progress(
      'predicting', len(pictures), start=0, unit='image'
    ) as bar,
    _Writer(out, pool) as writer,
  ):
    for batch in _read_ahead(pictures, views, batch_size, pool):
      problems += [read for read in batch if isinstance(read, str)]
      good = [read for read in batch if isinstance(read, Read)]
      for read, prediction in _predictions(segmenter, good, batch_size):
        if not np.isfinite(prediction.entropy).all():
          raise errors.UserError(
            f'the model {model.phase} of {model.run.workdir} says nothing '
            f'of {read.picture.path}: its logits are no numbers'
          )
        writer.add(read, prediction)
      done += len(batch)
      bar.update(done)
      stopping.check()
  return problems


def _read_ahead(
  pictures: Sequence[Picture],
  views: Sequence[segmenting.View],
  batch_size: int,
  pool: concurrent.futures.Executor,
) -> Iterator[list[Read | str]]:
  """Batches of images; the next one is read while one is in use."""
  waiting: collections.deque[list[concurrent.futures.Future]] = (
    collections.deque()
  )
  for batch in _batched(pictures, batch_size):
    waiting.append([pool.submit(_read, picture, views) for picture in batch])
    if len(waiting) > 1:
      yield [future.result() for future in waiting.popleft()]
  for futures in waiting:
    yield [future.result() for future in futures]


def _batched(pictures: Sequence[Picture], size: int) -> Iterator[list[Picture]]:
  rest = iter(pictures)
  while batch := list(itertools.islice(rest, size)):
    yield batch


def _read(picture: Picture, views: Sequence[segmenting.View]) -> Read | str:
  """The image, or why it cannot be read."""
  try:
    image = image_files.read_any_image(picture.path.parent, picture.path.name)
  except errors.UserError as error:
    return str(error)
  return Read(picture, image, segmenting.as_seen(image, views))


def _predictions(
  segmenter: segmenting.Segmenter, batch: Sequence[Read], batch_size: int
) -> Iterator[tuple[Read, Prediction]]:
  """The prediction of each image, at its own size."""
  if not batch:
    return
  # The network is compiled for whole batches.
  filled = [*batch, *[batch[-1]] * (batch_size - len(batch))]
  images = {
    size: np.stack([read.seen[size] for read in filled])
    for size in batch[0].seen
  }
  for read, logits in zip(batch, segmenter.small_logits(images), strict=False):
    height, width, _ = read.image.shape
    yield read, segmenter.enlarge(logits, (height, width))


class _Writer:
  """Writes in the background, a few images behind; the log in order."""

  def __init__(
    self, out: folder_lib.Folder, pool: concurrent.futures.Executor
  ) -> None:
    self._out, self._pool = out, pool
    self._waiting: collections.deque = collections.deque()

  def __enter__(self) -> '_Writer':
    return self

  def __exit__(self, *error: object) -> None:
    """Waits for what has been begun, also when the command is stopped."""
    while self._waiting:
      self._finish_oldest()

  def add(self, read: Read, prediction: Prediction) -> None:
    """Begins to write an image's files."""
    future = self._pool.submit(
      self._out.write, read.picture, read.image, prediction
    )
    self._waiting.append((future, read.picture, prediction))
    if len(self._waiting) > 2 * (os.cpu_count() or 1):
      self._finish_oldest()

  def _finish_oldest(self) -> None:
    future, picture, prediction = self._waiting.popleft()
    future.result()
    self._out.finish(picture, prediction)


def about(
  model: model_lib.Model, views: Sequence[segmenting.View]
) -> dict[str, object]:
  """What decides the predictions, as the folder records it."""
  return {
    'workdir': model.run.workdir.address,
    'model': model.phase,
    'step': model.step,
    'views': [
      {'size': list(view.size), 'flipped': view.flipped} for view in views
    ],
    'classes': list(model.classes.names),
  }
