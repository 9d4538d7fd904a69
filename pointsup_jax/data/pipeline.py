"""Batches from a source, read ahead by threads (Grain)."""

import contextlib
import zlib
from collections.abc import Callable, Iterator

import grain
import numpy as np

from pointsup_jax import errors
from pointsup_jax.data import sources
from pointsup_jax.types import Batch, Example

_ENDLESS = 2**40  # places of an order; more than any run reads


def stream(
  source: sources.Source,
  *,
  seed: int,
  batch_size: int,
  start_step: int = 0,
  process_index: int = 0,
  process_count: int = 1,
  num_threads: int = 2,
  with_ids: bool = False,
  draw: Callable[[int], int] | None = None,
) -> Iterator[Batch]:
  """Yields endless training batches, reshuffled every epoch.

  A batch depends on the seed and the step alone, so a run can resume at any
  step, and each process gets its rows of a global batch that does not depend on
  their number.

  Args:
    source: images, all of one size.
    seed: seed of the order, [0, 2**32).
    batch_size: B, images in a global batch; a multiple of `process_count`.
    start_step: first step to yield; nothing before it is read.
    process_index: selects this process's rows of the global batch.
    process_count: number of processes that share a batch.
    num_threads: threads that read images.
    with_ids: give batches their images' ids, which seed random changes.
    draw: gives the image at each place of the order; None: reshuffled epochs.

  Yields:
    NumPy batches of B / process_count images.
  """
  if not len(source):
    raise errors.UserError('there are no images to train on')
  if batch_size % process_count:
    raise errors.UsageError(
      f'a batch of {batch_size} images cannot be shared by {process_count} '
      'processes; make it a multiple of them'
    )
  if draw is None:
    images = grain.MapDataset.source(source).seed(seed).shuffle().repeat()
  else:
    images = grain.MapDataset.range(_ENDLESS).map(lambda i: source[draw(i)])
  # Slice after batching, or the order depends on the number of processes.
  shares = images.map(_with_id if with_ids else _without_name).batch(
    batch_size // process_count,
    # Drops nothing; without it Grain rounds the length up past an int64.
    drop_remainder=True,
  )
  shares = shares[start_step * process_count + process_index :: process_count]
  yield from _read_ahead(shares, num_threads, buffer_size=2 * num_threads)


def in_order(
  source: sources.Source,
  batch_size: int,
  num_threads: int = 2,
  process_index: int = 0,
  process_count: int = 1,
) -> Iterator[tuple[list[str], Batch, int]]:
  """Yields every image once, in order, for evaluation and acquisition.

  Args:
    source: images; their sizes may differ if `batch_size` is 1.
    batch_size: B, over all processes; the last image pads the last batch.
    num_threads: threads that read images.
    process_index: selects this process's rows of each batch.
    process_count: number of processes that share a batch; divides B.

  Yields:
    The names of B images, the NumPy batch of this process's rows, and how many
    of the B are valid.
  """
  share = batch_size // process_count
  total = len(source)
  places = [
    min(place, total - 1)
    for first in range(0, total, batch_size)
    for place in range(
      first + process_index * share, first + (process_index + 1) * share
    )
  ]
  window: list[Example] = []
  first = 0
  for example in _read_ahead(
    grain.MapDataset.source(sources.Subset(source, places)),
    num_threads,
    buffer_size=max(share, 2 * num_threads),
  ):
    window.append(example)
    if len(window) == share:
      names = [
        source.names[min(place, total - 1)]
        for place in range(first, first + batch_size)
      ]
      yield names, _stack(window), min(batch_size, total - first)
      window, first = [], first + batch_size


def _read_ahead(
  dataset: grain.MapDataset, num_threads: int, buffer_size: int
) -> Iterator:
  """Yields a dataset's elements; its threads end with this iterator."""
  options = grain.ReadOptions(num_threads, prefetch_buffer_size=buffer_size)
  with contextlib.closing(iter(dataset.to_iter_dataset(options))) as elements:
    yield from elements


def _without_name(example: Example) -> Batch:
  # Neither Grain's batching nor devices accept strings.
  return Batch(
    images=example.image,
    labels=example.labels,
    answered=example.answered,
    depth=example.depth,
  )


def _with_id(example: Example) -> Batch:
  number = zlib.crc32(example.name.encode())
  return _without_name(example)._replace(ids=np.array(number, np.uint32))


def _stack(examples: list[Example]) -> Batch:
  first = examples[0]
  for other in examples:
    for one, two in ((first.image, other.image), (first.labels, other.labels)):
      if one.shape != two.shape:
        raise errors.UserError(
          f'{first.name} is {one.shape[1]}x{one.shape[0]} but {other.name} is '
          f'{two.shape[1]}x{two.shape[0]}; a batch has one size: set the batch '
          'size to 1'
        )
  depths = [x.depth for x in examples if x.depth is not None]
  return Batch(
    np.stack([x.image for x in examples]),
    np.stack([x.labels for x in examples]),
    depth=np.stack(depths) if depths else None,
  )
