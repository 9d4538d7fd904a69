"""Batched prediction that reads ahead and writes in the background."""

import collections
import concurrent.futures
import dataclasses
import functools
import hashlib
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import jax
import numpy as np

from pointsup_jax import errors
from pointsup_jax.data import identity, image_files, official
from pointsup_jax.hosts import progress, stopping, wording
from pointsup_jax.prediction import folder as folder_lib
from pointsup_jax.prediction import loaded_model as model_lib
from pointsup_jax.prediction import segmenting, tiling
from pointsup_jax.prediction.inputs import Picture
from pointsup_jax.prediction.segmenting import Prediction, Size
from pointsup_jax.training import sharding
from pointsup_jax.types import Variables

_T = TypeVar('_T')


@dataclasses.dataclass(frozen=True)
class Read:
  """An image read from disk."""

  picture: Picture
  file: identity.Entry
  image: np.ndarray  # [H, W, 3] uint8, RGB
  # Each tile, or the whole image, resized for each view size.
  seen: list[dict[Size, np.ndarray]]
  pages: int  # in the file; the image is the first


def run(
  model: model_lib.Loaded,
  pictures: Sequence[Picture],
  out: folder_lib.Folder,
  *,
  views: tuple[segmenting.View, ...],
  batch_size: int,
  tile: Size | None = None,
) -> list[str]:
  """Predicts images into a folder.

  An image's files are complete once images.jsonl lists it. `batch_size` is
  rounded up to a multiple of the number of devices. The network sees images
  whole, or in tiles of (height, width) pixels.

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
  if tile is None:
    batch_size = min(batch_size, len(pictures))
  batch_size = sharding.shared_batch(batch_size)
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
    read = functools.partial(_read, views=views, tile=tile)
    for batch in _read_ahead(pictures, read, batch_size, pool):
      problems += [found for found in batch if isinstance(found, str)]
      good = [found for found in batch if isinstance(found, Read)]
      paged += [str(found.picture.path) for found in good if found.pages > 1]
      for found, prediction in _predictions(segmenter, good, batch_size, tile):
        if not np.isfinite(prediction.entropy).all():
          raise errors.UserError(
            f'the model {model.phase} of {model.run.workdir} says nothing '
            f'of {found.picture.path}: its logits are no numbers'
          )
        writer.add(found, prediction)
      done += len(batch)
      bar.update(done)
      stopping.check()
  if paged:
    progress.say(
      f'{len(paged)} images have several pages or frames; only the first was '
      f'predicted: {wording.few(paged)}'
    )
  if out.unplaced:
    progress.say(
      f'{len(out.unplaced)} images are GeoTIFFs, and their labels have no '
      'coordinates, which needs rasterio: pip install -r requirements/geo.txt, '
      f'then --overwrite: {wording.few(out.unplaced)}'
    )
  return problems


def _read_ahead(
  pictures: Sequence[Picture],
  read: Callable[[Picture], Read | str],
  batch_size: int,
  pool: concurrent.futures.Executor,
) -> Iterator[list[Read | str]]:
  waiting: collections.deque[list[concurrent.futures.Future]] = (
    collections.deque()
  )
  for batch in _batched(pictures, batch_size):
    waiting.append([pool.submit(read, picture) for picture in batch])
    if len(waiting) > 1:
      yield [future.result() for future in waiting.popleft()]
  for futures in waiting:
    yield [future.result() for future in futures]


def _batched(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
  rest = iter(items)
  while batch := list(itertools.islice(rest, size)):
    yield batch


def _read(
  picture: Picture, views: Sequence[segmenting.View], tile: Size | None
) -> Read | str:
  where = (picture.path.parent, picture.path.name)
  try:
    file = identity.entry_of(picture.path)
    pages = image_files.header(*where).pages
    image = image_files.read_image(*where)
  except errors.UserError as error:
    return str(error)
  parts = [image] if tile is None else tiling.cut(image, tile)
  seen = [segmenting.as_seen(part, views) for part in parts]
  return Read(picture, file, image, seen, pages)


def _predictions(
  segmenter: segmenting.Segmenter,
  batch: Sequence[Read],
  batch_size: int,
  tile: Size | None,
) -> Iterator[tuple[Read, Prediction]]:
  logits = _small_logits(
    segmenter, (seen for read in batch for seen in read.seen), batch_size
  )
  for read in batch:
    height, width, _ = read.image.shape
    if tile is None:
      yield read, segmenter.enlarge(next(logits), (height, width))
    else:
      of_tiles = itertools.islice(logits, len(read.seen))
      probabilities = (segmenter.probabilities(x, tile) for x in of_tiles)
      yield read, tiling.join(probabilities, (height, width), tile)


def _small_logits(
  segmenter: segmenting.Segmenter,
  seen: Iterable[dict[Size, np.ndarray]],
  batch_size: int,
) -> Iterator[tuple[np.ndarray, ...]]:
  """Of each image or tile, the logits of each view."""
  for batch in _batched(seen, batch_size):
    # The network is compiled for full batches: pad the last one.
    filled = [*batch, *[batch[-1]] * (batch_size - len(batch))]
    images = {size: np.stack([x[size] for x in filled]) for size in batch[0]}
    yield from segmenter.small_logits(images)[: len(batch)]


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
  tile: Size | None = None,
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
    'tile': tile and list(tile),
    'classes': list(model.classes.names),
    'ids': ids.tolist(),
  }


def _fingerprint(variables: Variables) -> str:
  """Tells a model from one that was trained anew to the same step."""
  found = hashlib.blake2b(digest_size=16)
  for array in jax.tree.leaves(variables):
    found.update(np.ascontiguousarray(array))
  return found.hexdigest()
