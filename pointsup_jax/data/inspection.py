"""Inspects all files that a config reads, and reports problems."""

import functools
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import ml_collections
import numpy as np

from pointsup_jax import errors
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.data import (
  contact_sheet,
  domains,
  findings,
  image_files,
  image_folder,
  official,
  sources,
)
from pointsup_jax.data.paired_files import Files, Labelling
from pointsup_jax.hosts import progress, wording
from pointsup_jax.types import Example

_EXAMPLES = 4  # per domain on the sheet


class Domain(NamedTuple):
  """Where a domain's examples are; `pairs` is empty without files."""

  name: str
  root: pathlib.Path
  pairs: dict[str, Files]
  labelling: Labelling | None
  source: sources.Source | None
  leaves_out: bool  # mismatched pairs are skipped, not refused


class Line(NamedTuple):
  """A line of the summary."""

  text: str
  wrong: bool = False  # training would be wrong


def tell(lines: Iterable[Line]) -> list[str]:
  """Prints the lines, except the problems, which it returns."""
  wrong = []
  for line in lines:
    if line.wrong:
      wrong.append(line.text)
    else:
      progress.show(line.text)
  return wrong


def inspect(config: ml_collections.ConfigDict, sheet: pathlib.Path) -> None:
  """Prints a summary of a config's data and draws examples.

  Writes `sheet`, a PNG of images with their labels over them. Raises
  errors.UserError if training on these data would be wrong.
  """
  domains.require_local(config.data)
  classes = domains.classes_of(config.data)
  summaries, rows, wrong = {}, [], []
  for name in domains.NAMES:
    domain = find(config, name, classes)
    summaries[name], samples = look(domain, config)
    wrong += tell(describe(domain, summaries[name], classes))
    if samples:
      rows.append((f'{name}: {config.data[name].dataset}', samples))
  wrong += tell(overlaps(summaries))
  if rows:
    contact_sheet.draw(sheet, rows, classes)
    progress.show(f'examples: {sheet}')
  if wrong:
    raise errors.UserError(
      f'{len(wrong)} problems, training would be wrong: {"; ".join(wrong)}'
    )
  progress.show('all right')


def find(
  config: ml_collections.ConfigDict, name: str, classes: classes_lib.ClassSet
) -> Domain:
  """Lists the files of a domain, whether or not they match."""
  domain = config.data[name]
  root = pathlib.Path(config.data.root, domain.root)
  labelled = domains.needs_labels(config, name)
  source, pairs, leaves_out = None, {}, False
  labelling = image_folder.labelling_of(classes)
  if domain.dataset in official.LAYOUTS:
    layout = official.LAYOUTS[domain.dataset]
    pairs = layout.find(root, domain.split)
    labelling = layout.labelling(classes)
    leaves_out = True
  elif domain.dataset == 'image_folder':
    pairs = image_folder.find(root, domain.split)
  else:
    source = domains.open_domain(
      config.data, name, classes=classes, seed=config.seed, labelled=labelled
    )
  return Domain(
    name, root, pairs, labelling if labelled else None, source, leaves_out
  )


def look(
  domain: Domain, config: ml_collections.ConfigDict
) -> tuple[findings.Summary, list]:
  """Reads all examples; returns a summary, and some examples for the sheet."""
  if domain.source is not None:
    looks = [
      functools.partial(findings.of_example, name, domain.source, i)
      for i, name in enumerate(domain.source.names)
    ]
  else:
    looks = [
      functools.partial(
        findings.of_pair, name, domain.root, pair, domain.labelling
      )
      for name, pair in domain.pairs.items()
    ]
  summary, good = findings.Summary(), []
  for finding in progress.each(
    findings.in_parallel(looks, config.data.threads),
    f'checking {domain.name}',
    len(looks),
  ):
    summary.add(finding)
    if finding.problem is None and finding.label_size in (None, finding.size):
      good.append(finding.name)
  chosen = good[:: max(1, len(good) // _EXAMPLES)][:_EXAMPLES]
  return summary, samples(domain, chosen)


def samples(domain: Domain, names: Sequence[str]) -> list:
  """Reads the named examples; unknown label ids become 255."""
  if domain.source is not None:
    index = {name: i for i, name in enumerate(domain.source.names)}
    return [domain.source[index[name]] for name in names]
  found = []
  for name in names:
    pair = domain.pairs[name]
    labelling = domain.labelling
    image = image_files.read_image(domain.root, pair.image)
    labels = np.full(image.shape[:2], 255, np.uint8)
    if labelling is not None:
      ids = labelling.read_ids(domain.root, pair.label)
      labels = labelling.train_ids[ids].astype(np.uint8)  # -1 becomes 255
    found.append(Example(name, image, labels))
  return found


def describe(
  domain: Domain, summary: findings.Summary, classes: classes_lib.ClassSet
) -> Iterator[Line]:
  """Describes a domain and its problems."""
  name = domain.name
  sizes = ', '.join(
    f'{width}x{height} ({count})'
    for (height, width), count in summary.sizes.most_common(4)
  )
  yield Line(f'{name}: {summary.examples} examples, sizes {sizes or "none"}')
  if summary.unreadable:
    yield Line(
      f'{name} has {len(summary.unreadable)} examples with a file that is '
      f'missing or cannot be read: {wording.few(summary.unreadable)}',
      wrong=True,
    )
  if summary.mismatched:
    text = (
      f'{len(summary.mismatched)} labels of another size than their image: '
      f'{wording.few(summary.mismatched)}'
    )
    everything = len(summary.mismatched) == summary.examples
    if domain.leaves_out and not everything:
      yield Line(f'  left out: {text}')
    else:
      yield Line(f'{name} has {text}', wrong=True)
  if summary.constant:
    yield Line(f'  of one colour: {wording.few(summary.constant)}')
  if summary.twins:
    yield Line(f'  the same image twice: {wording.few(summary.twins)}')
  if domain.labelling is not None:
    yield from describe_labels(name, domain.labelling, summary, classes.names)


def describe_labels(
  name: str,
  labelling: Labelling,
  summary: findings.Summary,
  class_names: Sequence[str],
) -> Iterator[Line]:
  """Describes classes and ids of a domain's labels, and their problems."""
  pixels = summary.class_pixels(labelling, len(class_names))
  for class_name, count in zip(class_names, pixels, strict=True):
    yield Line(f'  {count / max(pixels.sum(), 1):6.2%} {class_name}')
  yield Line(f'  {summary.ignored_share(labelling):6.2%} of all ignored')
  absent = [x for x, n in zip(class_names, pixels, strict=True) if not n]
  if not pixels.any():
    yield Line(f'{name} has no pixel of any class', wrong=True)
  elif absent:
    yield Line(f'  absent: {", ".join(absent)}')
  unknown = summary.unknown_ids(labelling)
  if unknown:
    listed = [f'{i} (first in {summary.first_with[i]})' for i in unknown]
    yield Line(
      f'{name} has label ids of no class: {wording.few(listed)}; valid are '
      f'{labelling.valid}',
      wrong=True,
    )


def overlaps(summaries: dict[str, findings.Summary]) -> Iterator[Line]:
  """Finds images that two domains share; a problem if one is evaluation."""
  for one, two in (
    ('source', 'target'), ('source', 'evaluation'), ('target', 'evaluation'),
  ):  # fmt: skip
    shared = summaries[one].names.keys() & summaries[two].names.keys()
    if shared:
      names = sorted(summaries[one].names[digest] for digest in shared)
      yield Line(
        f'{one} and {two} share {len(shared)} images: {wording.few(names)}',
        wrong=two == 'evaluation',
      )
