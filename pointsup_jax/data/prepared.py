"""Sources over data sets that `launch.prepare` has built.

Their pixels equal those read and resized from the original files.
"""

import pathlib
import re
import zlib
from collections.abc import Mapping
from typing import Any

import ml_collections
import numpy as np

from pointsup_jax import errors
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.data import encoded, identity, paired_files
from pointsup_jax.hosts import wording
from pointsup_jax.types import IGNORE, Example

VERSION = '2.0.0'
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
  """The examples of a build, sorted by name.

  `files` identifies the files that it was built from.
  """

  def __init__(
    self,
    path: pathlib.Path,
    builder: Any,
    *,
    labelled: bool,
    depth: bool = False,
  ) -> None:
    """Opens a TFDS builder; unless `labelled`, all labels are 255."""
    import tensorflow_datasets as tfds

    self._path = path
    skip = tfds.decode.SkipDecoding()
    self._labelled, self._depth = labelled, depth
    self._records = builder.as_data_source(
      split=SPLIT, decoders=dict.fromkeys(builder.info.features, skip)
    )
    self.names = tuple(builder.info.metadata['names'])
    self.files = identity.from_json(builder.info.metadata['files'])
    if len(self._records) != len(self.names):
      raise ValueError(f'{len(self._records)} of {len(self.names)} examples')

  def __len__(self) -> int:
    return len(self.names)

  def __getitem__(self, index: int) -> Example:
    if index >= len(self):
      raise IndexError(index)
    depth = None
    try:
      record = self._records[index]
      image = encoded.decode_image(record['image'])
      if self._labelled:
        labels = encoded.decode_labels(record['labels'])
      if self._depth:
        depth = encoded.decode_depth(record['depth'])
    except Exception as error:  # of any type, out of three libraries
      raise _unreadable(self._path, error) from error
    if not self._labelled:
      labels = np.full(image.shape[:2], IGNORE, np.uint8)
    return Example(self.names[index], image, labels, depth=depth)

  def of_one_size(self) -> bool:
    """Whether all labels have the same size."""
    sizes = (encoded.size_of(record['labels']) for record in self._records)
    return len(set(sizes)) <= 1


def open_build(
  path: pathlib.Path, *, labelled: bool, depth: bool = False
) -> Prepared:
  """Opens the build in `path`, as given by `folder`.

  Raises errors.UserError if it does not exist, is damaged, or lacks labels or
  depth that are needed.
  """
  with errors.needs('prepare', 'data.prepared'):
    import tensorflow_datasets as tfds

  if not (path / 'dataset_info.json').is_file():
    raise errors.UserError(
      f'{path} has not been built; run python -m launch.prepare '
      "with the same --config fields, or set data.prepared='' to read the "
      'files themselves'
    )
  try:
    builder = tfds.builder_from_directory(path)
    has_depth = 'depth' in builder.info.features
    build = Prepared(
      path, builder, labelled=labelled, depth=depth and has_depth
    )
    has_labels = builder.info.metadata['labelled']
  except Exception as error:  # of any type, out of three libraries
    raise _unreadable(path, error) from error
  for kind, needed, there in (
    ('labels', labelled, has_labels),
    ('depth', depth, has_depth),
  ):
    if needed and not there:
      raise errors.UserError(
        f'{path} was built without {kind}; delete it and run python -m '
        'launch.prepare to build it anew'
      )
  return build


def originals(
  build: Prepared,
  root: pathlib.Path,
  pairs: Mapping[str, paired_files.Files],
  known: identity.Identity,
) -> tuple[identity.Identity, list[identity.Change]]:
  """Identifies a build's files as they are now, and what has changed.

  Labels or depths that are all gone have not changed. `known` is as in
  `identity.read`.
  """
  now = identity.read(
    root,
    pairs,
    known,
    labelled='labels' in build.files,
    depth='depths' in build.files,
  )
  for kind in ('labels', 'depths'):
    if not now.get(kind):
      now.pop(kind, None)
  return now, identity.changes(build.files, now)


def refuse(
  path: pathlib.Path, root: pathlib.Path, changes: list[identity.Change]
) -> None:
  """Raises errors.UserError if the originals of a build have changed."""
  if changes:
    raise errors.UserError(
      f'{path} was built from other files than {root} has now: '
      f'{identity.in_words(changes)}; delete {path} and run python -m '
      'launch.prepare to build it anew, or restore the files'
    )


def _unreadable(path: pathlib.Path, error: Exception) -> errors.UserError:
  return errors.UserError(
    f'the build {path} cannot be read, it is damaged or cut '
    f'({wording.first_line(error)}); delete it and run python -m '
    'launch.prepare to build it anew'
  )
