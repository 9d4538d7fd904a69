"""What another model predicts: a file an image, and a predictions.json.

docs/ANY_MODEL.md describes the folder. All that reads raises errors.UserError
for what is missing or unfit, and nothing is guessed: predictions.json says what
the numbers are, and they are compared with it.
"""

import dataclasses
import json
import pathlib
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Sequence

import numpy as np

from pointsup_jax import errors
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.data import (
  folders,
  image_files,
  image_folder,
  transforms,
)
from pointsup_jax.data.paired_files import Files
from pointsup_jax.hosts import wording
from pointsup_jax.types import IGNORE, Example

ABOUT = 'predictions.json'
_LABELS = 'labels'
KINDS = ('logits', 'probabilities', _LABELS)
_FIELDS = {'kind', 'classes', 'class_axis'}
_AXES = {'first': 0, 'last': 2}
_SUFFIXES = ('.npy', '.npz')
_TOLERANCE = 0.02  # of sums of probabilities; half precision needs a tenth
_LEAST = np.finfo(np.float32).tiny  # the probability that 0 counts as
_UNREADABLE = (
  OSError, ValueError, EOFError, KeyError, MemoryError, RuntimeError,
  SyntaxError, TypeError, tokenize.TokenError, struct.error,
  zipfile.BadZipFile, zlib.error,
)  # fmt: skip

Size = tuple[int, int]  # (height, width) in pixels


@dataclasses.dataclass(frozen=True)
class Folder:
  """A folder of predictions, checked as far as predictions.json goes."""

  root: pathlib.Path
  kind: str  # one of KINDS
  classes: classes_lib.ClassSet
  class_axis: str | None = None  # of arrays: 'first' or 'last', if it is said

  @property
  def of_labels(self) -> bool:
    """Whether there are classes and uncertainty maps, not numbers a class."""
    return self.kind == _LABELS

  def files(self, name: str) -> Files:
    """The files of an image below `root`; the label is '' but for labels."""
    paths = [f'{name}{suffix}' for suffix in _SUFFIXES]
    there = [path for path in paths if (self.root / path).is_file()]
    if len(there) > 1:
      raise errors.UserError(
        f'{self.root} has both {" and ".join(there)}; keep one of them'
      )
    label = f'{name}.png' if self.of_labels else ''
    lacks_label = bool(label) and not (self.root / label).is_file()
    if not there or lacks_label:
      raise errors.UserError(
        f'{self.root} has no {label if lacks_label else " or ".join(paths)}'
      )
    return Files(there[0], label)

  def missing(self, names: Sequence[str]) -> list[str]:
    """Those of the images that have no prediction."""
    return [
      name
      for name in names
      if not any((self.root / f'{name}{x}').is_file() for x in _SUFFIXES)
    ]

  def require(self, names: Sequence[str]) -> None:
    """Raises errors.UserError unless every image has its files."""
    if missing := self.missing(names):
      there = (
        path.relative_to(self.root).as_posix()
        for suffix in _SUFFIXES
        for path in self.root.rglob(f'*{suffix}')
      )
      has = next(there, None)
      raise errors.UserError(
        f'{self.root} lacks predictions of {len(missing)} of {len(names)} '
        f'images: no {wording.few([f"{x}.npy" for x in missing])}; '
        + (f'it has {has}, for example; ' if has else '')
        + 'each is named as its image, with its folders'
      )
    for name in names:
      self.files(name)

  def read(self, name: str, shapes: Sequence[Size]) -> np.ndarray:
    """Logits or probabilities [h, w, C] float32 of an image, checked.

    `shapes` are those that the image has, on disk and for the network; h and w
    must have the proportions of one of them.
    """
    path = self.files(name).image
    found = _last(self.array(path), path, self.classes, self.class_axis)
    require_proportions(path, found.shape[:2], shapes)
    found = found.astype(np.float32)
    if not np.isfinite(found).all():
      raise errors.UserError(
        f'{path} holds numbers that are not finite; predict it anew '
        f'(in {self.root})'
      )
    sums = found.sum(axis=-1)
    distributed = found.min() >= -_TOLERANCE and bool(
      (abs(sums - 1) <= _TOLERANCE).all()
    )
    if distributed != (self.kind == 'probabilities'):
      raise errors.UserError(
        f'{path} holds {"probabilities" if distributed else "no probabilities"}'
        f', from {found.min():.4g} to {found.max():.4g} with sums over classes '
        f'from {sums.min():.4g} to {sums.max():.4g}, but {self.root / ABOUT} '
        f'says "kind": "{self.kind}"; correct one of them'
      )
    return found

  def read_labels(
    self, name: str, shapes: Sequence[Size]
  ) -> tuple[np.ndarray, np.ndarray]:
    """Train ids [H, W] uint8 and uncertainty [h, w, 1] float32 of an image."""
    path, label = self.files(name)[:2]
    ids = image_files.read_ids(self.root, label)
    require_proportions(label, ids.shape, shapes)
    labels = image_folder.labelling_of(self.classes).train_ids[ids]
    wrong = (labels < 0) | (labels == IGNORE)
    if wrong.any():
      first, last = self.classes.file_ids[0], self.classes.file_ids[-1]
      raise errors.UserError(
        f'{label} has the id {int(ids[wrong][0])}; a prediction has a class '
        f'everywhere, {first} to {last} (in {self.root})'
      )
    unsure = self.array(path)
    if unsure.ndim != 2:
      raise errors.UserError(
        f'{path} has shape {unsure.shape}; an uncertainty map is '
        f'[height, width] (in {self.root})'
      )
    require_proportions(path, unsure.shape, shapes)
    unsure = unsure.astype(np.float32)
    if not ((unsure >= 0) & (unsure <= 1)).all():  # nor is NaN
      raise errors.UserError(
        f'{path} has numbers from {unsure.min():.4g} to {unsure.max():.4g}; an '
        'uncertainty map goes from 0, sure, to 1 (an entropy is divided by the '
        f'logarithm of the number of classes; in {self.root})'
      )
    return labels.astype(np.uint8), unsure[..., None]

  def array(self, path: str) -> np.ndarray:
    """The one array of floats in a file, without an axis of one image."""
    try:
      # Nothing is unpickled.
      found = np.load(self.root / path, allow_pickle=False)
      if isinstance(found, np.lib.npyio.NpzFile):
        with found as archive:
          if len(archive.files) != 1:
            names = wording.few(archive.files) or 'none'
            raise errors.UserError(
              f'{path} holds the arrays {names}; one is expected '
              f'(in {self.root})'
            )
          found = np.asarray(archive[archive.files[0]])  # maybe of bytes
    except _UNREADABLE as error:
      raise errors.UserError(
        f'{path} cannot be read: {wording.described(error)} (in {self.root})'
      ) from error
    if not np.issubdtype(found.dtype, np.floating) or not found.size:
      raise errors.UserError(
        f'{path} holds {found.dtype} of shape {found.shape}; floats are '
        f'expected (in {self.root})'
      )
    return found[0] if found.ndim == 4 and len(found) == 1 else found

  def maps(self, name: str, shapes: Sequence[Size], size: Size) -> np.ndarray:
    """What acquisition looks at, at `size`: [H, W, D] float32.

    Logits [H, W, C]; of labels, the class and the uncertainty, [H, W, 2].
    Probabilities are resized, then their logarithms are the logits.
    """
    if self.of_labels:
      labels, unsure = self.read_labels(name, shapes)
      resized = transforms.resize_labels(labels, size).astype(np.float32)
      return np.dstack([resized, transforms.resize_maps(unsure, size)])
    found = transforms.resize_maps(self.read(name, shapes), size)
    if self.kind == 'probabilities':
      return np.log(np.maximum(found, _LEAST))
    return found

  def labels(self, name: str, shapes: Sequence[Size], size: Size) -> np.ndarray:
    """The predicted classes at `size`, [H, W] uint8."""
    found = self.maps(name, shapes, size)
    if self.of_labels:
      return found[..., 0].astype(np.uint8)
    return found.argmax(axis=-1).astype(np.uint8)


class Predicted:
  """A source of `Folder.maps` in place of images, without labels."""

  def __init__(
    self,
    folder: Folder,
    names: Sequence[str],
    shapes: Callable[[str], Sequence[Size]],
    size: Size,
  ) -> None:
    """Takes the names of images, their shapes, and the size of the maps."""
    self._folder, self._shapes, self._size = folder, shapes, size
    self.names = tuple(names)

  def __len__(self) -> int:
    return len(self.names)

  def __getitem__(self, index: int) -> Example:
    name = self.names[index]
    maps = self._folder.maps(name, self._shapes(name), self._size)
    return Example(name, maps, np.full(self._size, IGNORE, np.uint8))


def open_folder(root: pathlib.Path, classes: classes_lib.ClassSet) -> Folder:
  """Reads predictions.json and compares its classes with ours."""
  path = root / ABOUT
  try:
    about = json.loads(folders.decode_text(path.read_bytes()))
  except OSError as error:
    raise errors.UserError(
      f'{path} cannot be read: {error.strerror}; it says what the files are: '
      '{"kind": "logits", "classes": [NAME, ...]}'
    ) from error
  except (ValueError, RecursionError) as error:
    raise errors.UserError(f'{path} is not JSON: {error}') from error
  if not isinstance(about, dict) or not {'kind', 'classes'} <= about.keys():
    raise errors.UserError(f'{path} must have the keys "kind" and "classes"')
  if unknown := about.keys() - _FIELDS:
    raise errors.UserError(
      f'{path} has the key {min(unknown)!r}; there are '
      f'{", ".join(sorted(_FIELDS))}'
    )
  kind, axis = about['kind'], about.get('class_axis')
  if kind not in KINDS:
    raise errors.UserError(
      f'{path}: "kind" is {kind!r}; it is one of {", ".join(KINDS)}'
    )
  if axis not in (None, *_AXES):
    raise errors.UserError(
      f'{path}: "class_axis" is {axis!r}; it is "first" or "last"'
    )
  _require_classes(path, about['classes'], classes.names)
  return Folder(root, kind, classes, axis)


def _require_classes(
  path: pathlib.Path, theirs: object, ours: tuple[str, ...]
) -> None:
  if not isinstance(theirs, list) or len(theirs) != len(ours):
    raise errors.UserError(
      f'{path}: "classes" must be a list of the {len(ours)} classes of '
      'data.classes, in their order'
    )
  for i, (one, two) in enumerate(zip(theirs, ours, strict=True)):
    if one != two:
      raise errors.UserError(
        f'{path}: class {i} is {one!r}, but in data.classes it is {two!r}; '
        'bring the predictions into the order of data.classes'
      )


def _last(
  found: np.ndarray,
  path: str,
  classes: classes_lib.ClassSet,
  axis: str | None,
) -> np.ndarray:
  """Moves the axis of the classes to the end: [h, w, C]."""
  count = classes.num_classes
  fits = [
    name
    for name, place in _AXES.items()
    if found.ndim == 3 and found.shape[place] == count and axis in (None, name)
  ]
  if not fits:
    raise errors.UserError(
      f'{path} has shape {found.shape}; with {count} classes it must be '
      f'[{count}, height, width] or [height, width, {count}]'
      + (f', with "class_axis": "{axis}"' if axis else '')
    )
  if len(fits) > 1:
    raise errors.UserError(
      f'{path} has shape {found.shape}, whose first and last axis could be the '
      f'{count} classes; add "class_axis": "first" or "last" to {ABOUT}'
    )
  return np.moveaxis(found, _AXES[fits[0]], -1)


def require_proportions(
  path: str, found: tuple[int, ...], shapes: Sequence[Size]
) -> None:
  """Raises errors.UserError unless a map has the shape of one of `shapes`."""
  h, w = found
  for height, width in shapes:
    # Strides round up or down.
    if (h - 1) * width <= (w + 1) * height and (w - 1) * height <= (
      h + 1
    ) * width:
      return
  wanted = ' or '.join(f'{width}x{height}' for height, width in shapes)
  raise errors.UserError(
    f'{path} is {w}x{h}, which has not the proportions of {wanted}: turned, '
    'cropped or padded? Undo that, or resize it to the image'
  )
