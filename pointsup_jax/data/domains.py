"""The images of a domain, as the config describes them."""

import pathlib

import ml_collections

from pointsup_jax import errors
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.data import prepared, sources
from pointsup_jax.hosts import object_store

NAMES = ('source', 'target', 'evaluation')
_VIEWED_WIDTH = 1024  # pixels


def needs_labels(config: ml_collections.ConfigDict, name: str) -> bool:
  """Whether a run reads the labels of a domain.

  Those of the target are for the simulated annotator alone.
  """
  return name != 'target' or config.annotate.oracle == 'ground_truth'


def open_domain(
  data: ml_collections.ConfigDict,
  name: str,
  *,
  classes: classes_lib.ClassSet,
  seed: int,
  labelled: bool,
  full_labels: bool = False,
) -> sources.Source:
  """Opens the images of a domain.

  Args:
    data: config.data.
    name: one of `NAMES`.
    classes: what the labels tell apart.
    seed: of the scenes of Streets.
    labelled: whether labels are needed.
    full_labels: labels as they are on disk rather than at the domain's size,
      where they are on disk at all; images may then have either size.
  """
  domain = data[name]
  size = tuple(domain.size)
  on_disk = sources.is_on_disk(domain.dataset)
  if on_disk and data.prepared:
    return prepared.open_build(
      prepared.folder(data.prepared, domain, classes, full_labels),
      labelled=labelled,
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
  )


def open_for_viewing(
  data: ml_collections.ConfigDict,
  name: str,
  *,
  classes: classes_lib.ClassSet,
  seed: int,
) -> sources.Source:
  """Opens the images of a domain as large as a person should see them.

  Files come as they are on disk. Where only their build is at hand, images have
  the size at which the network sees them. Scenes of Streets are drawn anew, so
  many times larger that they fill a screen; their layout stays the same.

  Args:
    data: config.data.
    name: one of `NAMES`.
    classes: what the labels tell apart.
    seed: of the scenes of Streets.
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


def require_local(data: ml_collections.ConfigDict) -> None:
  """Refuses data in an object store: ArrayRecord and OpenCV read files.

  Raises:
    errors.UsageError: they are in one.
  """
  object_store.require_local(data.root, '--config.data.root')
  object_store.require_local(data.prepared, '--config.data.prepared')
  for name in NAMES:
    object_store.require_local(data[name].root, f'--config.data.{name}.root')


def classes_of(data: ml_collections.ConfigDict) -> classes_lib.ClassSet:
  """The class set that the config names."""
  if data.classes in classes_lib.NAMED:
    return classes_lib.NAMED[data.classes]
  return classes_lib.load(pathlib.Path(data.root) / data.classes)
