"""All formats by name."""

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
)
from pointsup_jax.annotation.exchange.formats.exchanged import (
  Export,
  FileAnswer,
)


class Format(NamedTuple):
  """How points are written, and how answers are read."""

  # Gives pairs of a suffix, for files beside the main one, and a text. Where
  # `many` is set: of a path below the folder of the export, and a text.
  write: Callable[[Export], Iterator[tuple[str, str]]]
  # From the text of a file, and whom to name where it names nobody, the
  # answers; errors.UserError says what is wrong with the text. None: written
  # only.
  read: Callable[[str, str], list[FileAnswer]] | None = None
  many: bool = False


FORMATS = {
  'label_studio': Format(label_studio.write, label_studio_answers.read),
  'label_studio_points': Format(
    label_studio_points.write, label_studio_answers.read
  ),
  'cvat': Format(cvat.write, cvat.read),
  'csv': Format(csv_file.write, csv_file.read),
  'coco': Format(coco.write),
  'labelme': Format(labelme.write, many=True),
}
