"""Exchange formats by name."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from pointsup_jax.annotation.exchange.formats import (
  coco,
  csv_file,
  cvat,
  label_studio,
  label_studio_answers,
  label_studio_points,
  labelme,
  masks,
)
from pointsup_jax.annotation.exchange.formats.exchanged import (
  Export,
  FileAnswer,
)


class Format(NamedTuple):
  """Writer and reader of a format."""

  # Yields (suffix of the main file's name, content), or, if `many`, (path below
  # the export folder, content).
  write: Callable[[Export], Iterator[tuple[str, str | bytes]]]
  # Takes a file's text, and the annotator to use where it names nobody. Raises
  # errors.UserError if the text is malformed. None: write-only.
  read: Callable[[str, str], list[FileAnswer]] | None = None
  many: bool = False
  alone: bool = False  # no other files may be in the export folder


FORMATS = {
  'label_studio': Format(label_studio.write, label_studio_answers.read),
  'label_studio_points': Format(
    label_studio_points.write, label_studio_answers.read
  ),
  'cvat': Format(cvat.write, cvat.read),
  'csv': Format(csv_file.write, csv_file.read),
  'coco': Format(coco.write),
  'labelme': Format(labelme.write, many=True),
  'masks': Format(masks.write, many=True, alone=True),
}
