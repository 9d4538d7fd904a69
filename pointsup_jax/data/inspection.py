"""Inspects all files that a config reads, and reports problems."""

import dataclasses
import functools
import itertools
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import ml_collections
import numpy as np

from pointsup_jax import errors
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.data import (
  contact_sheet,
  domains,
  findings,
  folders,
  image_files,
  image_folder,
  official,
  plausibility,
  sources,
  transforms,
)
from pointsup_jax.data.paired_files import Files, Labelling
from pointsup_jax.data.plausibility import Kind, Line
from pointsup_jax.hosts import progress, wording
from pointsup_jax.types import Example

_EXAMPLES = 4  # per domain on the sheet
_GLANCE = 256  # examples per domain that a run looks at
_FEW_CLASSES = 40  # of more, only those that occur are listed


class Domain(NamedTuple):
  """Where a domain's examples are; `pairs` is empty without files."""

  name: str
  root: pathlib.Path
  pairs: dict[str, Files]
  labelling: Labelling | None
  source: sources.Source | None
  leaves_out: bool  # mismatched pairs are skipped, not refused
  others: list[str]  # files that look like images and are not read
  depth: bool  # whether it is read


def inspect(
  config: ml_collections.ConfigDict, sheet: pathlib.Path, *, depth: bool = False
) -> int:
  """Prints a summary of a config's data and draws examples.

  Writes `sheet`, a PNG of images with their labels over them. With `depth`,
  looks at the source's too. Returns the number of doubtful lines. Raises
  errors.UserError if training on these data would be wrong.
  """
  domains.require_local(config.data)
  classes = domains.classes_of(config.data)
  found, rows, lines = {}, [], []
  for name in domains.used(config.data):
    domain = find(config, name, classes, depth=depth and name == 'source')
    summary, chosen = look(domain, config)
    found[name] = domain, summary
    lines += _told(describe(domain, summary, classes))
    if chosen:
      title = f'{name}: {config.data[name].dataset}'
      rows.append((title, samples(domain, chosen)))
  lines += _told(across(found, classes))
  if rows:
    lines += _told(plausibility.of_names(classes))
    contact_sheet.draw(sheet, rows, classes)
    progress.show(f'examples: {sheet}')
  _refuse(lines)
  return sum(line.kind is Kind.DOUBTFUL for line in lines)


def _told(lines: Iterable[Line]) -> list[Line]:
  """Prints the lines, except what is wrong, and returns them."""
  kept = list(lines)
  for line in kept:
    if line.kind is not Kind.WRONG:
      progress.show(f'{line.kind.value}{line.text}')
  return kept


def _refuse(lines: Sequence[Line]) -> None:
  wrong = [line.text for line in lines if line.kind is Kind.WRONG]
  if wrong:
    raise errors.UserError(
      f'{len(wrong)} problems, training would be wrong: {"; ".join(wrong)}'
    )


def glance(
  config: ml_collections.ConfigDict,
  classes: classes_lib.ClassSet,
  *,
  depth: bool = False,
) -> None:
  """Inspects some files of every domain, as `inspect` does all.

  Prints what is doubtful. Inspects a domain whole where some files make it look
  wrong, and raises errors.UserError if it is.
  """
  found, lines = {}, []
  for name in domains.used(config.data):
    if not sources.is_on_disk(config.data[name].dataset):
      continue
    domain = find(config, name, classes, depth=depth and name == 'source')
    summary, _ = look(domain, config, at_most=_GLANCE)
    judged = list(describe(domain, summary, classes))
    if any(line.kind is Kind.WRONG for line in judged):
      summary, _ = look(domain, config)
      judged = list(describe(domain, summary, classes))
    found[name] = domain, summary
    lines += judged
  lines += [*across(found, classes), *plausibility.of_names(classes)]
  for line in lines:
    if line.kind is Kind.DOUBTFUL:
      progress.say(f'{line.kind.value}{line.text}')
  _refuse(lines)


def find(
  config: ml_collections.ConfigDict,
  name: str,
  classes: classes_lib.ClassSet,
  *,
  depth: bool,
) -> Domain:
  """Lists the files of a domain, whether or not they match."""
  domain = config.data[name]
  root = pathlib.Path(config.data.root, domain.root)
  labelled = domains.needs_labels(config, name)
  source, pairs, leaves_out, others = None, {}, False, []
  labelling = image_folder.labelling_of(classes)
  if config.data.prepared or not sources.is_on_disk(domain.dataset):
    source = domains.open_domain(
      config.data,
      name,
      classes=classes,
      seed=config.seed,
      labelled=labelled,
      full_labels=name == 'evaluation',
      depth=depth,
    )
    # Examples have train ids, whatever the files had.
    labelling = image_folder.labelling_of(
      dataclasses.replace(classes, ignore_id=None)
    )
  elif domain.dataset in official.LAYOUTS:
    layout = official.LAYOUTS[domain.dataset]
    pairs = layout.find(root, domain.split)
    labelling = layout.labelling(classes)
    leaves_out = True
    others = official.other_files(domain.dataset, root, domain.split)
  else:
    pairs = image_folder.find(root, domain.split)
    others = folders.other_files(root, domain.split)
  return Domain(
    name,
    root,
    pairs,
    labelling if labelled else None,
    source,
    leaves_out,
    others,
    depth,
  )


def look(
  domain: Domain,
  config: ml_collections.ConfigDict,
  at_most: int | None = None,
) -> tuple[findings.Summary, list[str]]:
  """Reads all examples, or `at_most` so many, evenly spread.

  Returns a summary, and the names of some examples for the sheet.
  """
  if domain.source is not None:
    looks = [
      functools.partial(findings.of_example, name, domain.source, i)
      for i, name in enumerate(domain.source.names)
    ]
  else:
    looks = [
      functools.partial(
        findings.of_pair,
        name,
        domain.root,
        pair,
        domain.labelling,
        domain.depth,
      )
      for name, pair in domain.pairs.items()
    ]
  if at_most is not None:
    looks = looks[:: max(1, -(-len(looks) // at_most))]
  summary, good = findings.Summary(), []
  for finding in progress.each(
    findings.in_parallel(looks, config.data.threads),
    f'checking {domain.name}',
    len(looks),
  ):
    summary.add(finding)
    if finding.problem is None and finding.label_size in (None, finding.size):
      good.append(finding.name)
  spread = good[:: max(1, len(good) // _EXAMPLES)]
  doubtful = [x for x in (*summary.turned, *summary.blended) if x in good]
  return summary, list(dict.fromkeys([*doubtful[:2], *spread]))[:_EXAMPLES]


def samples(domain: Domain, names: Sequence[str]) -> list[Example]:
  """Reads the named examples; unknown label ids become 255."""
  if domain.source is not None:
    index = {name: i for i, name in enumerate(domain.source.names)}
    examples = [domain.source[index[name]] for name in names]
    return [
      x._replace(image=transforms.resize_image(x.image, x.labels.shape))
      for x in examples
    ]
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
  if name == 'evaluation' and len(summary.sizes) > 1:
    yield Line('  scored one at a time, as their sizes differ')
  if summary.unreadable:
    yield Line(
      f'{name} has {len(summary.unreadable)} examples with a file that is '
      f'missing or cannot be read: {wording.few(summary.unreadable)}',
      Kind.WRONG,
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
      yield Line(f'{name} has {text}', Kind.WRONG)
  if summary.constant:
    yield Line(f'  of one colour: {wording.few(summary.constant)}')
  if summary.twins:
    yield Line(f'  the same image twice: {wording.few(summary.twins)}')
  if domain.others:
    yield Line(
      f'{len(domain.others)} files of {name} are of kinds that are not read: '
      f'{wording.few(domain.others)}',
      Kind.DOUBTFUL,
    )
  yield from plausibility.of_images(name, summary)
  yield from plausibility.of_depth(name, summary)
  if domain.labelling is not None:
    yield from describe_labels(name, domain.labelling, summary, classes)


def describe_labels(
  name: str,
  labelling: Labelling,
  summary: findings.Summary,
  classes: classes_lib.ClassSet,
) -> Iterator[Line]:
  """Describes classes and ids of a domain's labels, and their problems."""
  pixels = summary.class_pixels(labelling, classes.num_classes)
  absent = []
  for class_name, count in zip(classes.names, pixels, strict=True):
    if not count:
      absent.append(class_name)
    if count or classes.num_classes <= _FEW_CLASSES:
      yield Line(f'  {count / max(pixels.sum(), 1):6.2%} {class_name}')
  yield Line(f'  {summary.ignored_share(labelling):6.2%} of all ignored')
  if absent and pixels.any():
    yield Line(f'  absent: {wording.few(absent)}')
  unknown = summary.unknown_ids(labelling)
  if unknown:
    listed = [f'{i} (first in {summary.first_with[i]})' for i in unknown]
    hint = (
      '; if 0 is no class, set "ignore_id" to 0 and "first_id" to 1 there'
      if unknown == [classes.num_classes]
      else ''
    )
    yield Line(
      f'{name} has label ids of no class: {wording.few(listed)}; valid are '
      f'{labelling.valid}{hint}',
      Kind.WRONG,
    )
  yield from plausibility.of_labels(name, labelling, summary, classes)


def across(
  found: Mapping[str, tuple[Domain, findings.Summary]],
  classes: classes_lib.ClassSet,
) -> Iterator[Line]:
  """Describes what only several domains together show."""
  for one, two in itertools.combinations(found, 2):
    names = _shared(found[one], found[two])
    if names:
      yield Line(
        f'{one} and {two} share {len(names)} images: {wording.few(names)}',
        Kind.WRONG if two == 'evaluation' else Kind.PLAIN,
      )
  yield from plausibility.of_all(
    {
      name: domain.labelling
      for name, (domain, _) in found.items()
      if domain.labelling is not None and not domain.leaves_out
    },
    {name: summary for name, (_, summary) in found.items()},
    classes.names,
  )


def _shared(
  one: tuple[Domain, findings.Summary], two: tuple[Domain, findings.Summary]
) -> list[str]:
  """Names of images that are the same file, or have the same pixels."""
  of_pixels = {one[1].names[x] for x in one[1].names.keys() & two[1].names}
  files = {two[0].root / pair.image for pair in two[0].pairs.values()}
  return sorted(
    name
    for name in {*one[0].pairs, *of_pixels}
    if name in of_pixels or one[0].root / one[0].pairs[name].image in files
  )
