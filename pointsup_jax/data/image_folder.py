"""A user's own images and labels, in folders."""

import os
import pathlib

import numpy as np

from pointsup_jax.data import classes as classes_lib
from pointsup_jax.data import folders, paired_files
from pointsup_jax.types import IGNORE


def open_split(
  root: str | os.PathLike[str],
  split: str,
  classes: classes_lib.ClassSet,
  size: tuple[int, int] | None,
  *,
  labelled: bool = True,
  depth: bool = False,
) -> paired_files.PairedFiles:
  """Opens the images below `images` with `labels/**.png` of the same names.

  A name is the path in `images/` without its suffix. Labels are 8-bit class
  ids; palettes are read by index. Depth, `depth/**.png`, is centimetres in 16
  bits, 65535 where it is far.

  Args:
    root: folder that contains `images`.
    split: list `splits/<split>.txt` with one name a line, or else folder
      `images/<split>/`; '' for all images.
    classes: meaning of the ids in label files.
    size: (height, width) of examples; None: as on disk.
    labelled: if False, labels are not read and are all 255.
    depth: whether depth is read.

  Raises:
    errors.UserError: files are missing or do not match.
  """
  root = pathlib.Path(root)
  pairs = find(root, split)
  if labelled:
    paired_files.require_labels(root, pairs)
    wrong = paired_files.mismatches(root, pairs)
    paired_files.refuse(root, list(wrong.values()))
  if depth:
    paired_files.require_depth(root, pairs)
  labelling = labelling_of(classes) if labelled else None
  return paired_files.PairedFiles(root, pairs, labelling, size, depth=depth)


def find(root: pathlib.Path, split: str) -> dict[str, paired_files.Files]:
  """Finds the files of a split by name, whether or not all of them exist."""
  images = folders.find_images(root, split)
  labels, depth = (
    folders.find_beside(root, images, folder) for folder in ('labels', 'depth')
  )
  return {
    name: paired_files.Files(path, labels[name], depth[name])
    for name, path in sorted(images.items())
  }


def labelling_of(classes: classes_lib.ClassSet) -> paired_files.Labelling:
  """Returns the labelling of train-id files; ids of no class are invalid."""
  table = np.full(256, -1, np.int16)
  table[list(classes.file_ids)] = np.arange(classes.num_classes)
  table[list(classes.ignore_ids)] = IGNORE
  ignored = ' or '.join(map(str, classes.ignore_ids))
  cityscapes = classes in classes_lib.NAMED.values()
  hint = '; are these labelIds? Train ids are needed' if cityscapes else ''
  return paired_files.Labelling(
    train_ids=table,
    valid=(
      f'{classes.file_ids[0]} to {classes.file_ids[-1]}, and {ignored} for '
      f'ignore{hint}'
    ),
  )
