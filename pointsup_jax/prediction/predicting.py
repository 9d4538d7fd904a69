"""Batched prediction that reads ahead and writes in the background."""

import collections
import concurrent.futures
import dataclasses
import hashlib
import itertools
import os
from collections.abc import Iterator, Sequence

import jax
import numpy as np

from pointsup_jax import errors
from pointsup_jax.data import identity, image_files, official
from pointsup_jax.hosts import progress, stopping, wording
from pointsup_jax.prediction import folder as folder_lib
from pointsup_jax.prediction import loaded_model as model_lib
from pointsup_jax.prediction import segmenting
from pointsup_jax.prediction.inputs import Picture
from pointsup_jax.prediction.segmenting import Prediction, Size
from pointsup_jax.training import sharding
from pointsup_jax.types import Variables


@dataclasses.dataclass(frozen=True)
class Read:
  """An image read from disk."""

  picture: Picture
  file: identity.Entry
  image: np.ndarray  # [H, W, 3] uint8, RGB
  seen: dict[Size, np.ndarray]  # resized for each view size
  pages: int  # in the file; the image is the first


def run(
  model: model_lib.Loaded,
  pictures: Sequence[Picture],
  out: folder_lib.Folder,
  *,
  views: tuple[segmenting.View, ...],
  batch_size: int,
) -> list[str]:
  """Predicts images into a folder.

  An image's files are complete once images.jsonl lists it. `batch_size` is
  rounded up to a multiple of the number of devices.

  Returns:
    A message per unreadable image; all others are predicted.

  Raises:
    errors.Stopped: the user stopped the command.
    errors.UserError: the model's outputs are not finite.
  """
  mesh = model.run.mesh
  segmenter = segmenting.Segmenter(
    model.segmenter, model.variables, views, sharding.split(mesh)
  )
  batch_size = sharding.shared_batch(min(batch_size, len(pictures)))
  problems: list[str] = []
  paged: list[str] = []
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
      paged += [str(read.picture.path) for read in good if read.pages > 1]
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
  if paged:
    progress.say(
      f'{len(paged)} images have several pages or frames; only the first was '
      f'predicted: {wording.few(paged)}'
    )
  return problems


def _read_ahead(
  pictures: Sequence[Picture],
  views: Sequence[segmenting.View],
  batch_size: int,
  pool: concurrent.futures.Executor,
) -> Iterator[list[Read | str]]:
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
  where = (picture.path.parent, picture.path.name)
  try:
    file = identity.entry_of(picture.path)
    pages = image_files.header(*where).pages
    image = image_files.read_image(*where)
  except errors.UserError as error:
    return str(error)
  return Read(picture, file, image, segmenting.as_seen(image, views), pages)


def _predictions(
  segmenter: segmenting.Segmenter, batch: Sequence[Read], batch_size: int
) -> Iterator[tuple[Read, Prediction]]:
  if not batch:
    return
  # The network is compiled for full batches: pad the last one.
  filled = [*batch, *[batch[-1]] * (batch_size - len(batch))]
  images = {
    size: np.stack([read.seen[size] for read in filled])
    for size in batch[0].seen
  }
  for read, logits in zip(batch, segmenter.small_logits(images), strict=False):
    height, width, _ = read.image.shape
    yield read, segmenter.enlarge(logits, (height, width))


class _Writer:
  """Writes files in background threads and the log in order."""

  def __init__(
    self, out: folder_lib.Folder, pool: concurrent.futures.Executor
  ) -> None:
    self._out, self._pool = out, pool
    self._waiting: collections.deque = collections.deque()

  def __enter__(self) -> '_Writer':
    return self

  def __exit__(self, *error: object) -> None:
    """Finishes pending writes, even after an error or stop."""
    while self._waiting:
      self._finish_oldest()

  def add(self, read: Read, prediction: Prediction) -> None:
    """Queues an image's files for writing."""
    future = self._pool.submit(
      self._out.write, read.picture, read.image, prediction
    )
    self._waiting.append((future, read.picture, read.file, prediction))
    if len(self._waiting) > 2 * (os.cpu_count() or 1):
      self._finish_oldest()

  def _finish_oldest(self) -> None:
    future, picture, file, prediction = self._waiting.popleft()
    future.result()
    self._out.finish(picture, file, prediction)


def about(
  model: model_lib.Loaded,
  views: Sequence[segmenting.View],
  *,
  label_ids: bool = False,
) -> dict[str, object]:
  """Everything that determines the predictions, for model.json.

  With `label_ids`, labels are as in the target's label files, not train ids.
  """
  dataset = model.run.config.data.target.dataset
  train_ids = np.arange(model.classes.num_classes)
  ids = official.file_ids(dataset, model.classes) if label_ids else train_ids
  return {
    'workdir': model.run.workdir.address,
    'model': model.phase,
    'network': model.network,
    'step': model.step,
    'weights': _fingerprint(model.variables),
    'views': [
      {'size': list(view.size), 'flipped': view.flipped} for view in views
    ],
    'classes': list(model.classes.names),
    'ids': ids.tolist(),
  }


def _fingerprint(variables: Variables) -> str:
  """Tells a model from one that was trained anew to the same step."""
  found = hashlib.blake2b(digest_size=16)
  for array in jax.tree.leaves(variables):
    found.update(np.ascontiguousarray(array))
  return found.hexdigest()
