"""Sources over data sets that `launch.prepare` has built.

Their pixels equal those read and resized from the original files.
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
# Each build has a single TFDS split, of this name.
SPLIT = 'examples'


def folder(
  data_dir: str,
  domain: ml_collections.ConfigDict,
  classes: classes_lib.ClassSet,
  full_labels: bool,
) -> pathlib.Path:
  """Returns the folder of a domain's build, laid out as TFDS expects.

  Its name depends on everything that determines the contents. `data_dir` is
  config.data.prepared and `domain`, for example, config.data.source; with
  `full_labels`, labels have their native size.
  """
  height, width = domain.size
  what = (domain.root, domain.split, classes.names, classes.ignore_id)
  digest = zlib.crc32(repr(what).encode())
  split = re.sub(r'[^A-Za-z0-9_-]', '_', domain.split or 'everything')
  labels = '-full_labels' if full_labels else ''
  name = f'{split}-{height}x{width}{labels}-{digest:08x}'
  return pathlib.Path(data_dir) / domain.dataset / name / VERSION


class Prepared:
  """The examples of a build, sorted by name."""

  def __init__(self, builder: Any, *, labelled: bool) -> None:
    """Opens a TFDS builder; unless `labelled`, all labels are 255."""
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

  def of_one_size(self) -> bool:
    """Whether all labels have the same size."""
    sizes = (encoded.size_of(record['labels']) for record in self._records)
    return len(set(sizes)) <= 1


def open_build(path: pathlib.Path, *, labelled: bool) -> Prepared:
  """Opens the build in `path`, as given by `folder`.

  Raises errors.UserError if it does not exist, or lacks labels that are needed.
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
