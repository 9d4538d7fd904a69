"""Inspects the files of a domain, one by one and in total."""

import collections
import concurrent.futures
import dataclasses
import hashlib
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from pointsup_jax import errors
from pointsup_jax.data import image_files, sources
from pointsup_jax.data.paired_files import Files, Labelling
from pointsup_jax.types import IGNORE

Size = tuple[int, int]  # height, width


@dataclasses.dataclass(frozen=True)
class Finding:
  """Properties of one example; None if their file was not read."""

  name: str
  digest: bytes | None = None  # of the image's pixels
  size: Size | None = None  # of the image
  label_size: Size | None = None
  ids: np.ndarray | None = None  # [256] pixels of each id in the label file
  constant: bool = False  # whether the image has one colour
  problem: str | None = None  # why a file could not be read


def of_pair(
  name: str, root: pathlib.Path, pair: Files, labelling: Labelling | None
) -> Finding:
  """Inspects the files of an example; only the image if `labelling` is None."""
  try:
    image = image_files.read_image(root, pair.image)
    found = _of_image(name, image)
    if labelling is None:
      return found
    if not (root / pair.label).is_file():
      return dataclasses.replace(found, problem=f'there is no {pair.label}')
    ids = labelling.read_ids(root, pair.label)
  except errors.UserError as error:
    return Finding(name, problem=str(error))
  return dataclasses.replace(
    found, label_size=ids.shape, ids=np.bincount(ids.ravel(), minlength=256)
  )


def of_example(name: str, source: sources.Source, index: int) -> Finding:
  """Inspects an example of a source without files."""
  example = source[index]
  return dataclasses.replace(
    _of_image(name, example.image),
    label_size=example.labels.shape,
    ids=np.bincount(example.labels.ravel(), minlength=256),
  )


def _of_image(name: str, image: np.ndarray) -> Finding:
  return Finding(
    name,
    digest=hashlib.blake2b(
      np.ascontiguousarray(image), digest_size=16
    ).digest(),
    size=image.shape[:2],
    constant=bool((image == image[:1, :1]).all()),
  )


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

  def add(self, finding: Finding) -> None:
    """Adds the finding of one example."""
    self.examples += 1
    if finding.problem is not None:
      self.unreadable.append(finding.problem)
    if finding.size is None or finding.digest is None:
      return
    self.sizes[finding.size] += 1
    if finding.constant:
      self.constant.append(finding.name)
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
