"""Reads images and their label files, one pair at a time."""

import dataclasses
import glob
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
  depth: str = ''


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
    *,
    depth: bool = False,
  ) -> None:
    """Takes pairs (name -> files) that have been checked.

    Without `labelling`, labels are not read and are all 255. `size` is (height,
    width); None: as on disk. With `depth`, depth is read.
    """
    self._root, self._pairs = root, dict(pairs)
    self._labelling, self._size, self._depth = labelling, size, depth
    self.names = tuple(sorted(pairs))

  def __len__(self) -> int:
    return len(self.names)

  def of_one_size(self) -> bool:
    """Whether all labels have the same size; reads headers only."""
    if self._size is not None:
      return True
    # Images stand in for labels, which may be missing and have their sizes.
    headers = (
      image_files.header(self._root, pair.image)
      for pair in self._pairs.values()
    )
    return len({header.size for header in headers}) <= 1

  def __getitem__(self, index: int) -> Example:
    name = self.names[index]
    pair = self._pairs[name]
    image = image_files.read_image(self._root, pair.image)
    if self._labelling is None:
      labels = np.full(image.shape[:2], IGNORE, np.uint8)
    else:
      labels = self._read_labels(pair.label, self._labelling)
      self._require_match(pair, pair.label, image, labels)
    depth = None
    if self._depth:
      depth = image_files.read_depth(self._root, pair.depth)
      self._require_match(pair, pair.depth, image, depth)
    if self._size is not None:
      image = transforms.resize_image(image, self._size)
      labels = transforms.resize_labels(labels, self._size)
      if depth is not None:
        depth = transforms.resize_labels(depth, self._size)
    return Example(name, image, labels, depth=depth)

  def _require_match(
    self, pair: Files, path: str, image: np.ndarray, other: np.ndarray
  ) -> None:
    sizes = image.shape[:2], other.shape
    if sizes[0] != sizes[1]:
      turned = image_files.header(self._root, pair.image).turned
      refuse(self._root, [_mismatch(pair.image, path, *sizes, turned=turned)])

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
    image = image_files.header(root, pair.image)
    label = image_files.header(root, pair.label, label=True)
    if image.size != label.size:
      found[name] = _mismatch(
        pair.image, pair.label, image.size, label.size, turned=image.turned
      )
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
  _require(root, 'label', {name: pair.label for name, pair in pairs.items()})


def require_depth(root: pathlib.Path, pairs: Mapping[str, Files]) -> None:
  """Raises errors.UserError for a depth file that is missing or unfit."""
  _require(
    root,
    'depth',
    {name: pair.depth for name, pair in pairs.items()},
    '; the method needs a PNG for each source image, centimetres in 16 bits',
  )
  wrong = []
  for pair in pairs.values():
    image, depth = (
      image_files.header(root, path) for path in (pair.image, pair.depth)
    )
    if image.size != depth.size:
      wrong.append(
        _mismatch(
          pair.image, pair.depth, image.size, depth.size, turned=image.turned
        )
      )
  refuse(root, wrong)


def _require(
  root: pathlib.Path, kind: str, paths: Mapping[str, str], advice: str = ''
) -> None:
  missing = [
    path for _, path in sorted(paths.items()) if not (root / path).is_file()
  ]
  if missing:
    raise errors.UserError(
      f'{root}: {len(missing)} of {len(paths)} images have no {kind}: '
      f'no {wording.few(missing)}{hint(root, missing[0])}{advice}'
    )


def hint(root: pathlib.Path, label: str) -> str:
  """Says what may help where a label file is missing, or ''."""
  if label.startswith('gtFine/test/'):
    return '; for the benchmark, see launch.predict --label_ids'
  stem = (root / label).with_suffix('')
  found = sorted(stem.parent.glob(f'{glob.escape(stem.name)}.*'))
  return f'; there is {found[0].name}, but a PNG is needed' if found else ''


def _mismatch(
  image_path: str,
  other_path: str,
  image: tuple[int, ...],
  other: tuple[int, ...],
  *,
  turned: bool,
) -> str:
  hint = ' as its EXIF data turn it' if turned else ''
  return (
    f'{other_path} is {other[1]}x{other[0]} but {image_path} is '
    f'{image[1]}x{image[0]}{hint}'
  )
