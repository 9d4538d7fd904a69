"""TFDS builders of the data sets on disk; TensorFlow is not needed.

Examples are written as ArrayRecord, sorted by name, at the config's size:
images bicubic, labels nearest, as train ids, both as PNG. The original files
are read from `manual_dir`:

  builder = BUILDERS['gta5'](
      data_dir=OUT, file_format='array_record', config=Part(...))
  builder.download_and_prepare(
      download_config=tfds.download.DownloadConfig(manual_dir=IN))
"""

import dataclasses
import pathlib
from collections.abc import Iterator

import tensorflow_datasets as tfds

from pointsup_jax.data import classes as classes_lib
from pointsup_jax.data import encoded, prepared, sources


@dataclasses.dataclass(kw_only=True, eq=False)
class Part(tfds.core.BuilderConfig):
  """Which part of a data set to build, and how to store it.

  Attributes:
    split: as in the config of a run.
    size: (height, width) of the images.
    full_labels: whether labels keep their native size.
    labelled: whether there are labels.
    classes: classes of the labels.
    names: names of the examples, in order.
    parts: folder of partial results until the build is complete, so that it can
      resume; None: nothing is kept.
  """

  split: str
  size: tuple[int, int]
  full_labels: bool = False
  labelled: bool = True
  classes: classes_lib.ClassSet = classes_lib.CITYSCAPES
  names: tuple[str, ...] = ()
  parts: pathlib.Path | None = None


class Segmentation(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
  """Images with labels; see `BUILDERS`."""

  VERSION = tfds.core.Version(prepared.VERSION)
  # Required by TFDS; missing files are reported before it would show this.
  MANUAL_DOWNLOAD_INSTRUCTIONS = 'Put the files where README.md says.'

  def _info(self) -> tfds.core.DatasetInfo:
    part: Part = self.builder_config
    image = tfds.features.Image(shape=(None, None, 3), encoding_format='png')
    labels = tfds.features.Image(shape=(None, None, 1), encoding_format='png')
    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.FeaturesDict({'image': image, 'labels': labels}),
      disable_shuffling=True,
      metadata=tfds.core.MetadataDict(
        names=list(part.names), labelled=part.labelled
      ),
    )

  def _split_generators(
    self, dl_manager: tfds.download.DownloadManager
  ) -> dict[str, Iterator[tuple[int, dict]]]:
    part: Part = self.builder_config
    source = open_part(self.name, pathlib.Path(dl_manager.manual_dir), part)
    return {prepared.SPLIT: self._generate_examples(source, part.parts)}

  def _generate_examples(
    self, source: sources.Source, parts: pathlib.Path | None
  ) -> Iterator[tuple[int, dict]]:
    for index, example in encoded.encode_all(source, parts):
      yield index, example._asdict()


# TFDS takes a data set's name, and so its folder's, from its class.
BUILDERS = {
  name: type(name, (Segmentation,), {'name': name}, skip_registration=True)
  for name in filter(sources.is_on_disk, sources.NAMES)
}


def open_part(dataset: str, root: pathlib.Path, part: Part) -> sources.Source:
  """Opens the examples of a part at the sizes to be stored."""
  source = sources.open_source(
    dataset,
    root=str(root),
    split=part.split,
    size=None if part.full_labels else part.size,
    classes=part.classes,
    labelled=part.labelled,
  )
  if part.full_labels:
    return sources.with_images_of(source, part.size)
  return source
