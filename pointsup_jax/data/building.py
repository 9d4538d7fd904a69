"""Builds data sets at the sizes that a config reads."""

import contextlib
import io
import pathlib
import shutil
import time
from typing import NamedTuple

import ml_collections
from absl import logging

from pointsup_jax import errors
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.data import (
  domains,
  encoded,
  identity,
  inspection,
  prepared,
  sources,
  unpack,
)
from pointsup_jax.hosts import progress

_SAMPLE = 8  # examples from which size and time are estimated


class Order(NamedTuple):
  """Specification of one build."""

  folder: pathlib.Path
  dataset: str
  root: pathlib.Path
  split: str
  size: tuple[int, int]
  full_labels: bool
  labelled: bool
  depth: bool = False


def build_all(
  config: ml_collections.ConfigDict, *, depth: bool = False
) -> None:
  """Builds the data that a run of this config reads and `data.prepared` lacks.

  With `depth`, the source's have depth. Unpacks archives first. Raises
  errors.UserError if the data cannot be built.
  """
  logging.set_verbosity(logging.ERROR)
  domains.require_local(config.data)
  if not config.data.prepared:
    raise errors.UsageError(
      '--config.data.prepared=DIR is needed: the folder to build in'
    )
  classes = domains.classes_of(config.data)
  orders = orders_of(config, classes, depth=depth)
  if not orders:
    progress.say('nothing to build: this config reads no files')
  for order in orders:
    unpack.unpack(order.dataset, order.root)
  files = config.copy_and_resolve_references()
  files.data.prepared = ''
  inspection.glance(files, classes, depth=depth)
  for order in orders:
    if (order.folder / 'dataset_info.json').is_file():
      check_unchanged(order)
      progress.say(f'{order.folder}: built before')
    else:
      build(order, classes)


def orders_of(
  config: ml_collections.ConfigDict,
  classes: classes_lib.ClassSet,
  *,
  depth: bool = False,
) -> list[Order]:
  """Lists the builds that a run of this config opens."""
  data = config.data
  orders = []
  for name in domains.used(data):
    domain, full = data[name], name == 'evaluation'
    if not sources.is_on_disk(domain.dataset):
      continue
    orders.append(
      Order(
        folder=prepared.folder(data.prepared, domain, classes, full),
        dataset=domain.dataset,
        root=pathlib.Path(data.root, domain.root),
        split=domain.split,
        size=tuple(domain.size),
        full_labels=full,
        labelled=domains.needs_labels(config, name),
        depth=depth and name == 'source',
      )
    )
  return list(dict.fromkeys(orders))


def open_files(order: Order, classes: classes_lib.ClassSet) -> sources.Source:
  """Opens the files of a build, at the sizes at which it stores them."""
  source = sources.open_source(
    order.dataset,
    root=str(order.root),
    split=order.split,
    size=None if order.full_labels else order.size,
    classes=classes,
    labelled=order.labelled,
    depth=order.depth,
  )
  if order.full_labels:
    return sources.with_images_of(source, order.size)
  return source


def build(order: Order, classes: classes_lib.ClassSet) -> None:
  """Makes one build; its folder appears only when complete.

  Raises errors.UserError if an example is invalid, a file changes meanwhile, or
  the disk is full.
  """
  # Imported late because they take seconds to load.
  with errors.needs('prepare', 'launch.prepare'):
    import tensorflow_datasets as tfds

    from pointsup_jax.data import builders

  source = open_files(order, classes)
  files = identify(order, {})
  parts = parts_of(order, files)
  for other in order.folder.parent.glob('*.parts'):
    if other != parts:
      progress.say(
        f'{order.folder}: begins anew, the files have changed since it stopped'
      )
      shutil.rmtree(other)
  encode(order, source, parts)
  if changed := identity.changes(files, identify(order, files)):
    shutil.rmtree(parts)
    raise errors.UserError(
      f'{order.root} changed while it was read: {identity.in_words(changed)}; '
      'run the same command again'
    )
  for leftover in order.folder.parent.glob(f'{order.folder.name}.incomplete*'):
    shutil.rmtree(leftover)
  tfds.disable_progress_bar()
  builder = builders.BUILDERS[order.dataset](
    data_dir=order.folder.parents[2],
    file_format='array_record',
    config=builders.Part(
      name=order.folder.parent.name,
      source=source,
      labelled=order.labelled,
      depth=order.depth,
      files=files,
      parts=parts,
    ),
  )
  with contextlib.redirect_stdout(io.StringIO()):  # hides messages on downloads
    builder.download_and_prepare()
  shutil.rmtree(parts)
  progress.say(f'{order.folder}: {len(source)} examples')


def encode(order: Order, source: sources.Source, parts: pathlib.Path) -> None:
  """Encodes all examples into `parts`; reports the expected size and time."""
  total = len(source)
  known = len(list(parts.glob('*.labels.png'))) if parts.exists() else 0
  if known:
    progress.say(f'{order.folder}: goes on after {known} of {total} examples')
  began, done_bytes = time.monotonic(), 0
  with progress.Progress(
    f'{order.dataset} {order.split}', total, start=0, unit='image'
  ) as bar:
    for index, example in encoded.encode_all(source, parts):
      done_bytes += sum(len(data or b'') for data in example)
      if index + 1 == min(_SAMPLE, total):
        seconds = (time.monotonic() - began) / (index + 1) * total
        size = done_bytes / (index + 1) * total
        bar.note(
          f'{total} examples: about {size / 1e9:.2g} GB (twice that until it '
          f'is complete), {seconds / 60:.2g} minutes'
        )
        require_space(order, 2 * size)
      bar.update(index + 1)


def identify(order: Order, known: identity.Identity) -> identity.Identity:
  """Identifies the files of a build; `known` is as in `identity.read`."""
  pairs = sources.find_files(order.dataset, order.root, order.split)
  return identity.read(
    order.root, pairs, known, labelled=order.labelled, depth=order.depth
  )


def parts_of(order: Order, files: identity.Identity) -> pathlib.Path:
  """The folder of partial results of a build from these files."""
  name = f'{order.folder.name}.{identity.fingerprint(files)[:8]}.parts'
  return order.folder.with_name(name)


def require_space(order: Order, size: float) -> None:
  """Raises errors.UserError if the disk has less than `size` bytes free."""
  free = shutil.disk_usage(order.folder.parents[2]).free
  if free < size:
    raise errors.UserError(
      f'{order.folder.parents[2]} has {free / 1e9:.2g} GB free but the build '
      f'of {order.dataset} {order.split} takes about {size / 1e9:.2g} GB; '
      'choose another data.prepared'
    )


def check_unchanged(order: Order) -> None:
  """Raises errors.UserError if the files differ from those of the build."""
  build = prepared.open_build(
    order.folder, labelled=order.labelled, depth=order.depth
  )
  pairs = sources.find_files(order.dataset, order.root, order.split)
  _, changed = prepared.originals(build, order.root, pairs, build.files)
  prepared.refuse(order.folder, order.root, changed)
