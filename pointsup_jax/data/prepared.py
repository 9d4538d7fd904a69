"""Data sets that `launch.prepare` has built, as sources.

They give the very pixels that the original files give, but no file has to be
found, decoded at its full size or resized any more.
"""

import pathlib
import re
import zlib
from typing import Any

import ml_collections
import numpy as np

from pointsup_jax import errors
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.data import encoded
from pointsup_jax.types import IGNORE, Example

VERSION = '1.0.0'
# What is to be built: the whole of a split is one TFDS split of this name.
SPLIT = 'examples'


def folder(
  data_dir: str,
  domain: ml_collections.ConfigDict,
  classes: classes_lib.ClassSet,
  full_labels: bool,
) -> pathlib.Path:
  """Where the build of a domain lies, in TFDS's own order of folders.

  All that decides what is in it has a part in its name.

  Args:
    data_dir: config.data.prepared.
    domain: such as config.data.source.
    classes: what the labels tell apart.
    full_labels: labels are of their own size.
  """
  height, width = domain.size
  what = (domain.root, domain.split, classes.names, classes.ignore_id)
  digest = zlib.crc32(repr(what).encode())
  split = re.sub(r'[^A-Za-z0-9_-]', '_', domain.split or 'everything')
  labels = '-full_labels' if full_labels else ''
  name = f'{split}-{height}x{width}{labels}-{digest:08x}'
  return pathlib.Path(data_dir) / domain.dataset / name / VERSION


class Prepared:
  """The examples of a build, in the order of their names."""

  def __init__(self, builder: Any, *, labelled: bool) -> None:
    """Takes a TFDS builder; labels that are not asked for are all 255."""
    import tensorflow_datasets as tfds

    skip = tfds.decode.SkipDecoding()
    self._labelled = labelled
    self._records = builder.as_data_source(
      split=SPLIT, decoders={'image': skip, 'labels': skip}
    )
    self.names = tuple(builder.info.metadata['names'])

  def __len__(self) -> int:
    return len(self.names)

  def __getitem__(self, index: int) -> Example:
    if index >= len(self):
      raise IndexError(index)
    record = self._records[index]
    image = encoded.decode_image(record['image'])
    if self._labelled:
      labels = encoded.decode_labels(record['labels'])
    else:
      labels = np.full(image.shape[:2], IGNORE, np.uint8)
    return Example(self.names[index], image, labels)


def open_build(path: pathlib.Path, *, labelled: bool) -> Prepared:
  """Opens a build.

  Args:
    path: of `folder`.
    labelled: whether labels are needed.

  Raises:
    errors.UserError: there is none, or it has no labels.
  """
  with errors.needs('prepare', 'data.prepared'):
    import tensorflow_datasets as tfds

  if not (path / 'dataset_info.json').is_file():
    raise errors.UserError(
      f'{path} has not been built; run python -m launch.prepare '
      "with the same --config fields, or set data.prepared='' to read the "
      'files themselves'
    )
  builder = tfds.builder_from_directory(path)
  if labelled and not builder.info.metadata['labelled']:
    raise errors.UserError(
      f'{path} was built without labels; delete it and build it anew'
    )
  return Prepared(builder, labelled=labelled)
