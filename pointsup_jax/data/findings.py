"""Inspects the files of a domain, one by one and in total."""

import collections
import concurrent.futures
import dataclasses
import hashlib
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from pointsup_jax import errors
from pointsup_jax.data import image_files, paired_files, sources
from pointsup_jax.data.paired_files import Files, Labelling
from pointsup_jax.types import IGNORE

Size = tuple[int, int]  # height, width
# Masks have few colours in large areas; photos have more than that.
_MASK_COLORS = 64
_MASK_EVEN = 0.8  # share of pixels that equal their left neighbour
# Where neighbours are of two classes, labels change from one to the other; if
# they were compressed with loss or interpolated, ids between them appear.
_BETWEEN = 0.25
_FEWEST_STEPS = 30


@dataclasses.dataclass(frozen=True)
class Finding:
  """Properties of one example; None if their file was not read."""

  name: str
  digest: bytes | None = None  # of the image's pixels
  size: Size | None = None  # of the image
  label_size: Size | None = None
  ids: np.ndarray | None = None  # [256] pixels of each id in the label file
  constant: bool = False  # whether the image has one colour
  looks_like_mask: bool = False  # whether the image is evenly coloured areas
  turned: bool = False  # whether EXIF data turn the image but not the label
  pages: int = 1  # of the image; the first is read
  blended: bool = False  # whether ids between those of classes line edges
  depth_size: Size | None = None
  flat: bool = False  # whether the depth is the same everywhere
  channels_differ: bool = False  # of the depth file; the first is read
  colors: dict[int, bytes] = dataclasses.field(
    default_factory=dict  # RGB of each id in the label file, of a palette
  )
  problem: str | None = None  # why a file could not be read


def of_pair(
  name: str,
  root: pathlib.Path,
  pair: Files,
  labelling: Labelling | None,
  depth: bool,
) -> Finding:
  """Inspects the files of an example.

  The label only with a `labelling`, the depth only with `depth`.
  """
  try:
    header = image_files.header(root, pair.image)
    image = image_files.read_image(root, pair.image)
    found = dataclasses.replace(_of_image(name, image), pages=header.pages)
    for path, is_read in ((pair.label, labelling), (pair.depth, depth)):
      if is_read and not (root / path).is_file():
        hint = paired_files.hint(root, path)
        return dataclasses.replace(found, problem=f'there is no {path}{hint}')
    if depth:
      channels = image_files.read_depth_channels(root, pair.depth)
      found = _with_depth(found, channels)
    if labelling is None:
      return found
    label = image_files.header(root, pair.label, label=True)
    ids = labelling.read_ids(root, pair.label)
  except errors.UserError as error:
    return Finding(name, problem=str(error))
  found = _with_ids(found, ids)
  return dataclasses.replace(
    found,
    turned=header.turned and not label.turned,
    colors=_colors(label.palette, np.unique(ids)),
  )


def of_example(name: str, source: sources.Source, index: int) -> Finding:
  """Inspects an example of a source without files.

  Of a build, labels may be larger than images; they belong together.
  """
  example = source[index]
  found = _with_ids(_of_image(name, example.image), example.labels)
  if example.depth is not None:
    found = _with_depth(found, example.depth[..., None])
  return dataclasses.replace(found, label_size=found.size)


def _of_image(name: str, image: np.ndarray) -> Finding:
  constant = bool((image == image[:1, :1]).all())
  return Finding(
    name,
    digest=hashlib.blake2b(
      np.ascontiguousarray(image), digest_size=16
    ).digest(),
    size=image.shape[:2],
    constant=constant,
    looks_like_mask=not constant and _looks_like_mask(image),
  )


def _looks_like_mask(image: np.ndarray) -> bool:
  even = (image[:, 1:] == image[:, :-1]).all(axis=-1)
  if not even.size or even.mean() < _MASK_EVEN:
    return False
  colors = np.unique(image.reshape(-1, 3), axis=0)
  return len(colors) <= _MASK_COLORS


def _with_ids(finding: Finding, ids: np.ndarray) -> Finding:
  return dataclasses.replace(
    finding,
    label_size=ids.shape,
    ids=np.bincount(ids.ravel(), minlength=256),
    blended=_is_blended(ids),
  )


def _with_depth(finding: Finding, channels: np.ndarray) -> Finding:
  depth = channels[..., :1]
  return dataclasses.replace(
    finding,
    depth_size=channels.shape[:2],
    flat=bool((depth == depth[:1, :1]).all()),
    channels_differ=bool((channels != depth).any()),
  )


def _is_blended(ids: np.ndarray) -> bool:
  left, middle, right = ids[:, :-2], ids[:, 1:-1], ids[:, 2:]
  low, high = np.minimum(left, right), np.maximum(left, right)
  steps = (high - low >= 2).sum()
  between = ((low < middle) & (middle < high)).sum()
  return bool(steps >= _FEWEST_STEPS and between > _BETWEEN * steps)


def _colors(palette: bytes, ids: np.ndarray) -> dict[int, bytes]:
  """Colours of a file's ids; without those that several ids have."""
  colors = {i: palette[3 * i : 3 * i + 3] for i in map(int, ids)}
  counts = collections.Counter(colors.values())
  return {i: rgb for i, rgb in colors.items() if rgb and counts[rgb] == 1}


def in_parallel(
  looks: Sequence[Callable[[], Finding]], threads: int
) -> Iterator[Finding]:
  """Runs all inspections on threads; yields findings in order."""
  with concurrent.futures.ThreadPoolExecutor(threads) as pool:
    yield from pool.map(lambda look: look(), looks)


@dataclasses.dataclass
class Summary:
  """Totals of a domain's findings."""

  examples: int = 0
  unreadable: list[str] = dataclasses.field(default_factory=list)
  mismatched: list[str] = dataclasses.field(default_factory=list)
  constant: list[str] = dataclasses.field(default_factory=list)
  sizes: collections.Counter[Size] = dataclasses.field(
    default_factory=collections.Counter
  )
  ids: np.ndarray = dataclasses.field(
    default_factory=lambda: np.zeros(256, np.int64)
  )
  first_with: dict[int, str] = dataclasses.field(default_factory=dict)
  names: dict[bytes, str] = dataclasses.field(default_factory=dict)
  twins: list[str] = dataclasses.field(default_factory=list)
  masks: list[str] = dataclasses.field(default_factory=list)
  turned: list[str] = dataclasses.field(default_factory=list)
  paged: list[str] = dataclasses.field(default_factory=list)
  blended: list[str] = dataclasses.field(default_factory=list)
  flat: list[str] = dataclasses.field(default_factory=list)
  channels_differ: list[str] = dataclasses.field(default_factory=list)
  depth_sizes: list[str] = dataclasses.field(default_factory=list)
  shapes: dict[str, Size] = dataclasses.field(default_factory=dict)
  # The first name with each (colour of a palette, id).
  colors: dict[tuple[bytes, int], str] = dataclasses.field(default_factory=dict)

  def add(self, finding: Finding) -> None:
    """Adds the finding of one example."""
    self.examples += 1
    if finding.problem is not None:
      self.unreadable.append(finding.problem)
    if finding.size is None or finding.digest is None:
      return
    self.sizes[finding.size] += 1
    self.shapes[finding.name] = finding.size
    for is_so, names in (
      (finding.constant, self.constant),
      (finding.looks_like_mask, self.masks),
      (finding.turned, self.turned),
      (finding.pages > 1, self.paged),
      (finding.blended, self.blended),
      (finding.flat, self.flat),
      (finding.channels_differ, self.channels_differ),
    ):
      if is_so:
        names.append(finding.name)
    if finding.depth_size not in (None, finding.size):
      self.depth_sizes.append(
        f'{finding.name} ({_by(finding.depth_size)} for {_by(finding.size)})'
      )
    twin = self.names.setdefault(finding.digest, finding.name)
    if twin != finding.name:
      self.twins.append(f'{finding.name} = {twin}')
    if finding.ids is None:
      return
    if finding.size != finding.label_size:
      self.mismatched.append(
        f'{finding.name} ({_by(finding.label_size)} for {_by(finding.size)})'
      )
    self.ids += finding.ids
    for value in np.flatnonzero(finding.ids):
      self.first_with.setdefault(int(value), finding.name)
    for index, color in finding.colors.items():
      self.colors.setdefault((color, index), finding.name)

  def class_pixels(self, labelling: Labelling, num_classes: int) -> np.ndarray:
    """Counts the pixels of each class: [C]."""
    counted = np.zeros(num_classes, np.int64)
    for value, meaning in enumerate(labelling.train_ids):
      if 0 <= meaning < num_classes:
        counted[meaning] += self.ids[value]
    return counted

  def unknown_ids(self, labelling: Labelling) -> list[int]:
    """Lists the ids in label files that are not allowed."""
    return [
      int(value)
      for value in np.flatnonzero(self.ids)
      if labelling.train_ids[value] < 0
    ]

  def ignored_share(self, labelling: Labelling) -> float:
    """Returns the fraction of label pixels that are ignored."""
    ignored = self.ids[labelling.train_ids == IGNORE].sum()
    return float(ignored / max(self.ids.sum(), 1))


def _by(size: Size | None) -> str:
  return 'nothing' if size is None else f'{size[1]}x{size[0]}'
