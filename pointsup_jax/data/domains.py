"""Opens the images of a domain as the config describes them."""

import os
import pathlib

import ml_collections

from pointsup_jax import errors
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.data import paired_files, prepared, sources
from pointsup_jax.hosts import object_store

NAMES = ('source', 'target', 'evaluation')
_VIEWED_WIDTH = 1024  # pixels


def has_source(data: ml_collections.ConfigDict) -> bool:
  """Whether there are source images (`data` is config.data)."""
  return bool(data.source.dataset)


def has_evaluation(data: ml_collections.ConfigDict) -> bool:
  """Whether there are evaluation images (`data` is config.data)."""
  return bool(data.evaluation.dataset)


def used(data: ml_collections.ConfigDict) -> tuple[str, ...]:
  """The names of `NAMES` that a run may open."""
  return tuple(name for name in NAMES if data[name].dataset)


def evaluates_source(data: ml_collections.ConfigDict) -> bool:
  """Whether evaluation images are the source's kind and not the target's.

  The same data set is; folders of images are by their root, then by split.
  """
  source, target, evaluation = (data[name] for name in NAMES)
  places = [
    (
      domain.dataset,
      os.path.normpath(domain.root) if domain.dataset == 'image_folder' else '',
    )
    for domain in (source, target, evaluation)
  ]
  if len(set(places)) == 1:
    return evaluation.split == source.split != target.split
  return places[2] == places[0]


def needs_labels(config: ml_collections.ConfigDict, name: str) -> bool:
  """Whether a run reads a domain's labels.

  Only the simulated annotator reads those of the target.
  """
  return name != 'target' or config.annotate.oracle == 'ground_truth'


def find_files(
  data: ml_collections.ConfigDict, name: str
) -> tuple[pathlib.Path, dict[str, paired_files.Files]]:
  """Finds a domain's files on disk: their root, and paths below it by name.

  Raises errors.UserError if there are no images.
  """
  domain = data[name]
  root = pathlib.Path(data.root, domain.root)
  return root, sources.find_files(domain.dataset, root, domain.split)


def open_domain(
  data: ml_collections.ConfigDict,
  name: str,
  *,
  classes: classes_lib.ClassSet,
  seed: int,
  labelled: bool,
  full_labels: bool = False,
  depth: bool = False,
) -> sources.Source:
  """Opens the images of the domain `name`, one of `NAMES`.

  `data` is config.data and `seed` that of Streets' scenes. With `full_labels`,
  labels on disk keep their native size; images may then have either size. With
  `depth`, examples have it.
  """
  domain = data[name]
  size = tuple(domain.size)
  on_disk = sources.is_on_disk(domain.dataset)
  if on_disk and data.prepared:
    return prepared.open_build(
      prepared.folder(data.prepared, domain, classes, full_labels),
      labelled=labelled,
      depth=depth,
    )
  return sources.open_source(
    domain.dataset,
    root=str(pathlib.Path(data.root, domain.root)),
    split=domain.split,
    size=None if on_disk and full_labels else size,
    classes=classes,
    seed=seed,
    length=domain.length,
    labelled=labelled,
    depth=depth,
  )


def open_for_viewing(
  data: ml_collections.ConfigDict,
  name: str,
  *,
  classes: classes_lib.ClassSet,
  seed: int,
) -> sources.Source:
  """Opens a domain's images, without labels, at a size fit for viewing.

  Files keep their native size; if only their build is available, images have
  the network's input size. Streets' scenes are rendered larger, up to 1024
  pixels wide, with the same layout. Arguments are as in `open_domain`.
  """
  data = data.copy_and_resolve_references()
  on_disk = sources.is_on_disk(data[name].dataset)
  if not on_disk:
    height, width = data[name].size
    times = max(_VIEWED_WIDTH // width, 1)
    data[name].size = (height * times, width * times)
  build = data.prepared
  data.prepared = ''
  try:
    return open_domain(
      data,
      name,
      classes=classes,
      seed=seed,
      labelled=False,
      full_labels=on_disk,
    )
  except errors.UserError:
    if not build:
      raise
    data.prepared = build
    return open_domain(data, name, classes=classes, seed=seed, labelled=False)


def of_one_size(source: sources.Source) -> bool:
  """Whether all labels of a source from `open_domain` have the same size."""
  if isinstance(source, paired_files.PairedFiles | prepared.Prepared):
    return source.of_one_size()
  return True  # scenes are rendered


def require_local(data: ml_collections.ConfigDict) -> None:
  """Raises errors.UsageError if a domain is missing or in an object store.

  ArrayRecord and OpenCV read files only.
  """
  object_store.require_local(data.root, '--config.data.root')
  object_store.require_local(data.prepared, '--config.data.prepared')
  for name in NAMES:
    if data[name] is None:
      raise errors.UsageError(
        f'data.{name}=None is no domain; to do without evaluation images, set '
        "data.evaluation.dataset=''"
      )
    object_store.require_local(data[name].root, f'--config.data.{name}.root')


def classes_of(data: ml_collections.ConfigDict) -> classes_lib.ClassSet:
  """Returns the class set that the config names."""
  if data.classes in classes_lib.NAMED:
    return classes_lib.NAMED[data.classes]
  return classes_lib.load(pathlib.Path(data.root) / data.classes)
