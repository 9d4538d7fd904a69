"""Judges whether a domain's files are what they are taken for."""

import enum
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pointsup_jax.data import classes as classes_lib
from pointsup_jax.data import contact_sheet, findings, palettes
from pointsup_jax.data.paired_files import Labelling
from pointsup_jax.hosts import wording
from pointsup_jax.types import IGNORE

_SMALL = 9  # times fewer pixels than the median: a thumbnail
_LONG = 10  # times longer than wide
_MUCH_IGNORED = 0.1
# How files are called that programs put beside an image.
_BESIDE = re.compile(
  r'[-_. ](mask|seg|label|labelids|trainids|instanceids|gt|annotation|color|'
  r'depth|disparity|overlay|thumb|thumbnail|preview)s?$',
  re.IGNORECASE,
)


class Kind(enum.Enum):
  """What a line means for training."""

  PLAIN = ''
  DOUBTFUL = 'doubtful: '  # look at it
  WRONG = 'wrong: '  # do not train


class Line(NamedTuple):
  """A line of the summary."""

  text: str
  kind: Kind = Kind.PLAIN


def of_images(name: str, summary: findings.Summary) -> Iterator[Line]:
  """Doubts about the images of the domain `name`."""
  shapes = summary.shapes
  areas = {image: height * width for image, (height, width) in shapes.items()}
  median = np.median(list(areas.values())) if areas else 0
  extreme = [
    image for image, size in shapes.items() if max(size) > _LONG * min(size)
  ]
  small = [
    image
    for image, area in areas.items()
    if area * _SMALL <= median and image not in extreme
  ]
  beside = []
  for image in shapes:
    found = _BESIDE.search(image)
    if found and image[: found.start()] in shapes:
      beside.append(image)
  masks = sorted({*summary.masks, *beside})
  for images, what in (
    (masks, 'look like masks or labels among the images'),
    (small, 'are far smaller than most: thumbnails?'),
    (extreme, f'are more than {_LONG} times as long as wide'),
    (summary.paged, 'have several pages or frames, of which the first is read'),
    (
      summary.turned,
      'are turned by EXIF data, their labels are not: if those were drawn on '
      'the stored pixels, remove the orientation (first on the sheet)',
    ),
  ):
    if images:
      yield Line(
        f'{len(images)} of {summary.examples} images of {name} {what}: '
        f'{wording.few(images)}',
        Kind.DOUBTFUL,
      )


def of_depth(name: str, summary: findings.Summary) -> Iterator[Line]:
  """Doubts about the depth of the domain `name`, and what must be wrong."""
  for images, what, kind in (
    (summary.depth_sizes, 'of another size than their image', Kind.WRONG),
    (summary.flat, 'that are the same everywhere', Kind.DOUBTFUL),
    (
      summary.channels_differ,
      'whose channels differ, of which the first is read',
      Kind.DOUBTFUL,
    ),
  ):
    if images:
      yield Line(
        f'{name} has {len(images)} depths {what}: {wording.few(images)}', kind
      )


def of_labels(
  name: str,
  labelling: Labelling,
  summary: findings.Summary,
  classes: classes_lib.ClassSet,
) -> Iterator[Line]:
  """Doubts about the labels of the domain `name`, and what must be wrong."""
  pixels = summary.class_pixels(labelling, classes.num_classes)
  present = [x for x, n in zip(classes.names, pixels, strict=True) if n]
  ignored = summary.ignored_share(labelling)
  if not present and summary.ids.any():
    what = (
      '; nothing can be scored on it (launch.predict needs no labels)'
      if name == 'evaluation'
      else ''
    )
    yield Line(f'{name} has no pixel of any class{what}', Kind.WRONG)
  if name == 'source' and len(present) == 1 and ignored:
    yield Line(
      f'source has no class but {present[0]}, and {ignored:.0%} of its pixels '
      'are ignored: masks of 0 and 255? 255 means ignore; number classes '
      'from 0 on',
      Kind.WRONG,
    )
  if _has_train_ids(labelling, summary.ids):
    yield Line(
      f'{name} has train ids where this layout has label ids (road is 7, '
      'bicycle 33): use the label files of its owners',
      Kind.WRONG,
    )
  if summary.blended:
    yield Line(
      f'{len(summary.blended)} labels of {name} have other ids along edges, '
      'as after lossy compression or smooth resizing: '
      f'{wording.few(summary.blended)}',
      Kind.DOUBTFUL,
    )
  yield from _of_palettes(name, labelling, summary, classes)


def _has_train_ids(labelling: Labelling, ids: np.ndarray) -> bool:
  """Whether files of label ids hold train ids, of which 0 to 6 are common."""
  used = np.flatnonzero(ids[:IGNORE])
  return bool(
    (labelling.train_ids[:7] == IGNORE).all()
    and len(used) > 3
    and used.max() < 19
    and ids[:7].sum() > ids.sum() / 2
  )


def _of_palettes(
  name: str,
  labelling: Labelling,
  summary: findings.Summary,
  classes: classes_lib.ClassSet,
) -> Iterator[Line]:
  chosen = classes.palette != palettes.of_names(classes.names)
  named = {
    bytes(color): class_name
    for class_name, color in zip(classes.names, classes.palette, strict=True)
    if chosen
  }
  against_classes, against_files = [], []
  first: dict[bytes, tuple[int, str]] = {}
  for (color, value), image in summary.colors.items():
    train_id = labelling.train_ids[value]
    if color in named and 0 <= train_id < classes.num_classes:
      meant = classes.names[train_id]
      if meant != named[color]:
        against_classes.append(
          f'{image} has {meant} in the colour of {named[color]}'
        )
    known, other = first.setdefault(color, (value, image))
    if known != value:
      against_files.append(
        f'{image} has {value} in the colour of {known} in {other}'
      )
  if against_files:
    found = [*against_classes, *against_files]
    yield Line(
      f'palettes of {name} contradict each other, so their ids may mean '
      f'several classes: {wording.few(found)}',
      Kind.WRONG if against_classes else Kind.DOUBTFUL,
    )
  elif against_classes:
    yield Line(
      f'palettes of {name} contradict that of the classes: '
      f'{wording.few(against_classes)}',
      Kind.DOUBTFUL,
    )


def of_all(
  labellings: Mapping[str, Labelling],
  summaries: Mapping[str, findings.Summary],
  class_names: Sequence[str],
) -> Iterator[Line]:
  """Doubts about classes that no labelled domain has."""
  pixels = np.zeros(len(class_names), np.int64)
  ids = np.zeros(256, np.int64)
  for name, labelling in labellings.items():
    pixels += summaries[name].class_pixels(labelling, len(class_names))
    ids += summaries[name].ids
  absent = [x for x, n in zip(class_names, pixels, strict=True) if not n]
  share = ids[IGNORE] / max(ids.sum(), 1)
  if pixels.any() and absent and share > _MUCH_IGNORED:
    yield Line(
      f'no label has {wording.few(absent)}, and {share:.0%} of the pixels are '
      '255, which means ignore: are those of that class?',
      Kind.DOUBTFUL,
    )


def of_names(classes: classes_lib.ClassSet) -> Iterator[Line]:
  """Names the classes that pictures show as numbers."""
  numbered = [
    f'{number} is {name}'
    for number, name in enumerate(classes.names)
    if not contact_sheet.can_draw(name)
  ]
  if numbered:
    yield Line(
      f'the font has no letters for {len(numbered)} classes, which '
      f'pictures number: {wording.few(numbered)}',
      Kind.DOUBTFUL,
    )
