"""TFDS builders of the data sets on disk; TensorFlow is not needed.

Examples are written as ArrayRecord, in the order of their source: images and
labels as PNG, labels as train ids, and depth where a method needs it.
"""

import dataclasses
import pathlib
from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds

from pointsup_jax.data import encoded, identity, prepared, sources


@dataclasses.dataclass(kw_only=True, eq=False)
class Part(tfds.core.BuilderConfig):
  """What to store of a data set.

  Attributes:
    source: the examples, at the sizes at which they are stored.
    labelled: whether they have labels.
    depth: whether they have depth.
    files: identifies the files that are read.
    parts: folder of partial results until the build is complete, so that it can
      resume.
  """

  source: sources.Source
  labelled: bool
  depth: bool
  files: identity.Identity
  parts: pathlib.Path


class Segmentation(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
  """Images with labels; see `BUILDERS`."""

  VERSION = tfds.core.Version(prepared.VERSION)

  def _info(self) -> tfds.core.DatasetInfo:
    part: Part = self.builder_config
    features = {
      name: tfds.features.Image(
        shape=(None, None, channels), dtype=dtype, encoding_format='png'
      )
      for name, channels, dtype in (
        ('image', 3, np.uint8),
        ('labels', 1, np.uint8),
        ('depth', 1, np.uint16),
      )
      if name != 'depth' or part.depth
    }
    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.FeaturesDict(features),
      disable_shuffling=True,
      metadata=tfds.core.MetadataDict(
        names=list(part.source.names),
        labelled=part.labelled,
        files=identity.to_json(part.files),
      ),
    )

  def _split_generators(
    self, dl_manager: tfds.download.DownloadManager
  ) -> dict[str, Iterator[tuple[int, dict]]]:
    return {prepared.SPLIT: self._generate_examples(self.builder_config)}

  def _generate_examples(self, part: Part) -> Iterator[tuple[int, dict]]:
    for index, example in encoded.encode_all(part.source, part.parts):
      fields = example._asdict().items()
      yield index, {name: data for name, data in fields if data is not None}


# TFDS takes a data set's name, and so its folder's, from its class.
BUILDERS = {
  name: type(name, (Segmentation,), {'name': name}, skip_registration=True)
  for name in filter(sources.is_on_disk, sources.NAMES)
}
