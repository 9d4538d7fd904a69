"""Images and labels of the user's, in folders."""

import os
import pathlib

import numpy as np

from pointsup_jax import errors
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.data import image_files, listing, transforms
from pointsup_jax.types import IGNORE, Example


class ImageFolder:
  """`images/**.{png,jpg,jpeg}` with `labels/**.png` of the same names.

  A split is the list `splits/<split>.txt` of names, one a line, or else the
  folder `images/<split>/`; '' is everything. A name is the path in `images/`
  without its suffix. Labels are 8-bit class ids; palettes are read by index.
  """

  def __init__(
    self,
    root: str | os.PathLike[str],
    split: str,
    classes: classes_lib.ClassSet,
    size: tuple[int, int] | None,
    *,
    labelled: bool = True,
  ) -> None:
    """Finds the files and reads their headers.

    Args:
      root: the folder that has `images` in it.
      split: '' for all images.
      classes: what the ids in the label files mean.
      size: (height, width) of examples; None: as on disk.
      labelled: False where there are no labels; they are then all 255.

    Raises:
      errors.UserError: the files do not fit together.
    """
    self._root, self._size, self._labelled = pathlib.Path(root), size, labelled
    self._classes = classes
    self._train_ids = _train_ids(classes)
    self._images = listing.find_images(self._root, split)
    self.names = tuple(sorted(self._images))
    if labelled:
      self._check_pairs()

  def __len__(self) -> int:
    return len(self.names)

  def __getitem__(self, index: int) -> Example:
    name = self.names[index]
    image = self._read_image(name)
    if self._labelled:
      labels = self._read_labels(name)
      self._check_sizes({name: (image.shape[:2], labels.shape)})
    else:
      labels = np.full(image.shape[:2], IGNORE, np.uint8)
    if self._size is not None:
      image = transforms.resize_image(image, self._size)
      labels = transforms.resize_labels(labels, self._size)
    return Example(name, image, labels)

  def _label(self, name: str) -> str:
    return f'labels/{name}.png'

  def _check_pairs(self) -> None:
    """Refuses images without labels, and pairs of different sizes."""
    labels = [self._label(name) for name in self.names]
    missing = [label for label in labels if not (self._root / label).is_file()]
    if missing:
      raise errors.UserError(
        f'{self._root}: {len(missing)} of {len(labels)} images have no label: '
        f'no {listing.few(missing)}'
      )
    self._check_sizes(
      {
        name: (
          image_files.header_size(self._root, self._images[name]),
          image_files.header_size(self._root, self._label(name)),
        )
        for name in self.names
      }
    )

  def _check_sizes(
    self, sizes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
  ) -> None:
    """Refuses image and label of different (height, width)."""
    wrong = [
      f'{self._label(name)} is {label[1]}x{label[0]} but {self._images[name]} '
      f'is {image[1]}x{image[0]}'
      for name, (image, label) in sizes.items()
      if image != label
    ]
    if wrong:
      count = f'; {len(wrong)} such pairs' if len(wrong) > 1 else ''
      raise errors.UserError(
        f'{listing.few(wrong)}; both must match (in {self._root}{count})'
      )

  def _read_image(self, name: str) -> np.ndarray:
    """Reads an image: [H, W, 3] uint8, RGB."""
    path = self._images[name]
    image = image_files.decode(self._root, path)
    if image.mode.startswith(('I', 'F')):
      raise errors.UserError(
        f'{path} has mode {image.mode}, more than 8 bits a channel; convert '
        f'it to 8-bit RGB (in {self._root})'
      )
    return np.asarray(image.convert('RGB'))

  def _read_labels(self, name: str) -> np.ndarray:
    """Reads a label file: [H, W] uint8, train ids."""
    path = self._label(name)
    image = image_files.decode(self._root, path)
    if image.mode == '1':
      image = image.convert('L')
    if image.mode not in ('L', 'P'):
      raise errors.UserError(
        f'{path} has mode {image.mode}, {len(image.getbands())} channel(s); '
        'labels must be class ids in one 8-bit channel, grey or palette '
        f'(in {self._root})'
      )
    ids = np.asarray(image)
    labels = self._train_ids[ids]
    if labels.min() < 0:
      raise errors.UserError(self._unknown_ids(path, ids[labels < 0]))
    return labels.astype(np.uint8)

  def _unknown_ids(self, path: str, ids: np.ndarray) -> str:
    """Says which ids of a label file belong to no class."""
    unknown = [str(one) for one in np.unique(ids)]
    ignored = ' or '.join(map(str, self._classes.ignore_ids))
    hint = ''
    cityscapes = self._classes.names == classes_lib.CITYSCAPES.names
    if cityscapes and ids.max() <= classes_lib.LABEL_IDS[-1]:
      hint = '; are these labelIds? Train ids are needed'
    return (
      f'{path} has the id {listing.few(unknown)}; valid are 0 to '
      f'{self._classes.num_classes - 1}, and {ignored} for ignore{hint} '
      f'(in {self._root})'
    )


def _train_ids(classes: classes_lib.ClassSet) -> np.ndarray:
  """What each byte of a label file means: [256] int16, -1 = nothing."""
  table = np.full(256, -1, np.int16)
  table[: classes.num_classes] = np.arange(classes.num_classes)
  table[list(classes.ignore_ids)] = IGNORE
  return table
