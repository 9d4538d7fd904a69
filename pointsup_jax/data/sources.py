"""Data sources: the protocol, wrappers and `open_source`."""

import difflib
import pathlib
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from pointsup_jax import errors
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.data import image_folder, official, paired_files, transforms
from pointsup_jax.data.streets import source as streets
from pointsup_jax.types import IGNORE, Example

_STREETS = ('streets_game', 'streets_camera')
NAMES = (*_STREETS, 'image_folder', *official.LAYOUTS)
# An image folder only with a folder depth/.
WITH_DEPTH = (*_STREETS, 'synthia_rand_cityscapes', 'image_folder')


class Source(Protocol):
  """Random access to images; an index always gives the same example."""

  @property
  def names(self) -> Sequence[str]:
    """Unique names of all images, in the order of the indices."""

  def __len__(self) -> int: ...

  def __getitem__(self, index: int) -> Example: ...


def is_on_disk(dataset: str) -> bool:
  """Whether a data set is read from files; Streets is rendered."""
  return dataset not in _STREETS


def find_files(
  dataset: str, root: pathlib.Path, split: str
) -> dict[str, paired_files.Files]:
  """Finds the files of a split on disk by name, whether or not they match.

  Raises errors.UserError if there are no images.
  """
  if dataset == 'image_folder':
    return image_folder.find(root, split)
  return official.LAYOUTS[dataset].find(root, split)


def open_source(
  dataset: str,
  *,
  root: str,
  split: str,
  size: tuple[int, int] | None,
  classes: classes_lib.ClassSet,
  seed: int = 0,
  length: int = 0,
  labelled: bool = True,
  depth: bool = False,
) -> Source:
  """Opens the images of a split.

  Args:
    dataset: one of `NAMES`.
    root: folder of a data set on disk.
    split: name of the split.
    size: (height, width) of images and labels; None: as on disk.
    classes: classes of the labels.
    seed: seed of Streets' scenes.
    length: number of Streets' scenes.
    labelled: if False, labels are hidden and all 255.
    depth: whether examples have depth; only of data sets in `WITH_DEPTH`.

  Raises:
    errors.UserError: the data cannot be used.
  """
  if dataset == 'image_folder':
    return image_folder.open_split(
      root, split, classes, size, labelled=labelled, depth=depth
    )
  if dataset in official.LAYOUTS:
    return official.open_split(
      dataset,
      pathlib.Path(root),
      split,
      classes,
      size,
      labelled=labelled,
      depth=depth,
    )
  if dataset in _STREETS:
    if classes.names != classes_lib.CITYSCAPES.names:
      raise errors.UsageError(
        f'{dataset} has the classes of Cityscapes but data.classes has '
        f"{classes.num_classes} others; set data.classes='cityscapes'"
      )
    if size is None:
      raise errors.UsageError(f'{dataset} has no native size: give one')
    scenes = streets.Streets(
      look=dataset.removeprefix('streets_'),
      split=split,
      length=length,
      size=size,
      seed=seed,
      depth=depth,
    )
    return scenes if labelled else without_labels(scenes)
  near = difflib.get_close_matches(dataset, NAMES, n=1, cutoff=0.3)
  hint = f'did you mean {near[0]!r}? ' if near else ''
  raise errors.UsageError(
    f'unknown data set {dataset!r}: {hint}It is one of {", ".join(NAMES)}'
  )


class Subset:
  """The images of a source at some indices."""

  def __init__(self, source: Source, indices: Sequence[int]) -> None:
    """Selects the images at `indices`, in that order."""
    self._source, self._indices = source, tuple(indices)
    self.names = tuple(source.names[index] for index in self._indices)

  def __len__(self) -> int:
    return len(self._indices)

  def __getitem__(self, index: int) -> Example:
    return self._source[self._indices[index]]


class Mapped:
  """A source whose examples are changed as they are read."""

  def __init__(
    self, source: Source, change: Callable[[int, Example], Example]
  ) -> None:
    """Takes all images of a source; `change` gets an index and its example."""
    self._source, self._change = source, change
    self.names = source.names

  def __len__(self) -> int:
    return len(self._source)

  def __getitem__(self, index: int) -> Example:
    return self._change(index, self._source[index])


def with_images_of(source: Source, size: tuple[int, int]) -> Source:
  """The same with images, but not labels, of one size: (height, width)."""

  def resize(_: int, example: Example) -> Example:
    return example._replace(image=transforms.resize_image(example.image, size))

  return Mapped(source, resize)


def without_labels(source: Source) -> Source:
  """The same with labels that are all 255."""

  def blank(_: int, example: Example) -> Example:
    return example._replace(labels=np.full_like(example.labels, IGNORE))

  return Mapped(source, blank)


class CachedSource:
  """Caches examples in memory up to `max_bytes`; threads may share it.

  The first examples stay: over whole epochs, evicting the oldest would evict
  the next one needed.
  """

  def __init__(self, source: Source, max_bytes: int = 2 << 30) -> None:
    self._source, self._room = source, max_bytes
    self._kept: dict[int, Example] = {}
    self._lock = threading.Lock()
    self.names = source.names

  def __len__(self) -> int:
    return len(self._source)

  def __getitem__(self, index: int) -> Example:
    example = self._kept.get(index)
    return (
      self._keep(index, self._source[index]) if example is None else example
    )

  def _keep(self, index: int, example: Example) -> Example:
    arrays = [x for x in example if isinstance(x, np.ndarray)]
    size = sum(x.nbytes for x in arrays)
    with self._lock:
      if index not in self._kept and size <= self._room:
        # All readers share these arrays.
        for array in arrays:
          array.setflags(write=False)
        self._kept[index] = example
        self._room -= size
    return example
