"""Reads images and their label files, one pair at a time."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from pointsup_jax import errors
from pointsup_jax.data import image_files, transforms
from pointsup_jax.hosts import wording
from pointsup_jax.types import IGNORE, Example


class Files(NamedTuple):
  """The files of one example, as paths below a root."""

  image: str
  label: str


@dataclasses.dataclass(frozen=True)
class Labelling:
  """How to read label files.

  Attributes:
    train_ids: [256] int16, the train id of each id in files; -1: not allowed.
    valid: the allowed ids, in words.
    read_ids: (root, path) -> [H, W] uint8 ids.
  """

  train_ids: np.ndarray
  valid: str = ''
  read_ids: Callable[[pathlib.Path, str], np.ndarray] = image_files.read_ids


class PairedFiles:
  """A source of images and label files, sorted by name."""

  def __init__(
    self,
    root: pathlib.Path,
    pairs: Mapping[str, Files],
    labelling: Labelling | None,
    size: tuple[int, int] | None,
  ) -> None:
    """Takes pairs (name -> files) that have been checked.

    Without `labelling`, labels are not read and are all 255. `size` is (height,
    width); None: as on disk.
    """
    self._root, self._pairs = root, dict(pairs)
    self._labelling, self._size = labelling, size
    self.names = tuple(sorted(pairs))

  def __len__(self) -> int:
    return len(self.names)

  def __getitem__(self, index: int) -> Example:
    name = self.names[index]
    pair = self._pairs[name]
    image = image_files.read_image(self._root, pair.image)
    if self._labelling is None:
      labels = np.full(image.shape[:2], IGNORE, np.uint8)
    else:
      labels = self._read_labels(pair.label, self._labelling)
      if labels.shape != image.shape[:2]:
        refuse(self._root, [_mismatch(pair, image.shape[:2], labels.shape)])
    if self._size is not None:
      image = transforms.resize_image(image, self._size)
      labels = transforms.resize_labels(labels, self._size)
    return Example(name, image, labels)

  def _read_labels(self, path: str, labelling: Labelling) -> np.ndarray:
    ids = labelling.read_ids(self._root, path)
    labels = labelling.train_ids[ids]
    if labels.min() < 0:
      unknown = [str(one) for one in np.unique(ids[labels < 0])]
      raise errors.UserError(
        f'{path} has the id {wording.few(unknown)}; valid are '
        f'{labelling.valid} (in {self._root})'
      )
    return labels.astype(np.uint8)


def mismatches(
  root: pathlib.Path, pairs: Mapping[str, Files]
) -> dict[str, str]:
  """Finds pairs whose sizes differ by their headers: name -> message."""
  found = {}
  for name, pair in pairs.items():
    image = image_files.header_size(root, pair.image)
    label = image_files.header_size(root, pair.label)
    if image != label:
      found[name] = _mismatch(pair, image, label)
  return found


def refuse(root: pathlib.Path, wrong: list[str]) -> None:
  """Raises errors.UserError if there are any mismatches."""
  if wrong:
    count = f'; {len(wrong)} such pairs' if len(wrong) > 1 else ''
    raise errors.UserError(
      f'{wording.few(wrong)}; both must match (in {root}{count})'
    )


def require_labels(root: pathlib.Path, pairs: Mapping[str, Files]) -> None:
  """Raises errors.UserError if an image has no label file."""
  missing = [
    pair.label
    for _, pair in sorted(pairs.items())
    if not (root / pair.label).is_file()
  ]
  if missing:
    raise errors.UserError(
      f'{root}: {len(missing)} of {len(pairs)} images have no label: '
      f'no {wording.few(missing)}'
    )


def _mismatch(
  pair: Files, image: tuple[int, ...], label: tuple[int, ...]
) -> str:
  return (
    f'{pair.label} is {label[1]}x{label[0]} but {pair.image} is '
    f'{image[1]}x{image[0]}'
  )
