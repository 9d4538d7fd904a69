"""TFDS builders of the data sets that come as files; no TensorFlow is needed.

Examples are written as ArrayRecord, in the order of their names, at the size
of the config: images bicubic, labels nearest, as train ids, both as PNG. The
files as their owners ship them are found in `manual_dir`:

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
  """Which part of a data set, and how it is stored.

  Attributes:
    split: as in the config of a run.
    size: (height, width) of the images.
    full_labels: keep the labels' own size.
    labelled: whether there are labels.
    classes: what the labels tell apart.
    names: of the examples, in their order.
    parts: folder that keeps what is done of a build until it is complete, so
      that it can be continued; None: nothing is kept.
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
  # TFDS asks for it; that files are missing is said before it is called.
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


# TFDS takes the name of a data set, which is its folder's, from a class.
BUILDERS = {
  name: type(name, (Segmentation,), {'name': name}, skip_registration=True)
  for name in filter(sources.is_on_disk, sources.NAMES)
}


def open_part(dataset: str, root: pathlib.Path, part: Part) -> sources.Source:
  """The examples of a part, at the sizes at which they are stored."""
  source = sources.open_source(
    dataset,
    root=str(root),
    split=part.split,
    size=None if part.full_labels else part.size,
    classes=part.classes,
    seed=0,
    length=0,
    labelled=part.labelled,
  )
  if part.full_labels:
    return sources.with_images_of(source, part.size)
  return source
