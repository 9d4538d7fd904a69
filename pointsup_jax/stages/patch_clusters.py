"""Clusters the patches of the source's label maps (AdaptPatch)."""

import io
import pathlib
import zipfile

import numpy as np

from pointsup_jax import errors
from pointsup_jax.data import sources
from pointsup_jax.hosts import atomic_files, processes, progress
from pointsup_jax.run import context as run_lib
from pointsup_jax.uda import adaptpatch, patches

PATCHES_PER_IMAGE = 50
MOST = 100_000
_DAMAGED = (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile)


def find(run: run_lib.Run, source: sources.Source) -> np.ndarray:
  """The centres [K, 4 C], saved by the first process; the same for all.

  Raises errors.UserError if the source has no labels.
  """
  path, shape = (
    run.workdir.patch_clusters,
    (adaptpatch.CLUSTERS, patches.CELLS**2 * run.classes.num_classes),
  )

  def made() -> list[list[float]]:
    centres = read(path, shape)
    if centres is None:
      seed = run.seed('patch clusters')
      centres = write(path, seed, source, run.classes.num_classes)
      run.workdir.push()
    return centres.tolist()

  return np.array(processes.by_first(made, 'patch clusters'))


def read(path: pathlib.Path, shape: tuple[int, int]) -> np.ndarray | None:
  """The centres in a file; None if it is absent, damaged or misshapen."""
  if not path.exists():
    return None
  try:
    with np.load(path, allow_pickle=False) as file:
      centres: np.ndarray = file['centres']
  except _DAMAGED as error:
    progress.say(f'note: {path} is damaged and made anew: {error}')
    return None
  fits = centres.shape == shape and np.isfinite(centres).all()
  return centres if fits else None


def write(
  path: pathlib.Path, seed: int, source: sources.Source, num_classes: int
) -> np.ndarray:
  """Draws patches of random images; writes and returns clusters' centres."""
  rng = np.random.default_rng(seed)
  images = rng.permutation(len(source))[: MOST // PATCHES_PER_IMAGE]
  points = np.concatenate(
    [
      patches.drawn(
        source[int(index)].labels, num_classes, PATCHES_PER_IMAGE, rng
      )
      for index in progress.each(images, 'clustering patches', len(images))
    ]
  )
  if not len(points):
    raise errors.UserError(
      'none of the source images drawn has a labelled pixel: there is nothing '
      'to cluster; run `python -m launch.check`'
    )
  content = io.BytesIO()
  centres = patches.clusters(points, adaptpatch.CLUSTERS, rng)
  np.savez(
    content, centres=centres, cells=patches.CELLS, size=patches.SIZE, seed=seed
  )
  path.parent.mkdir(parents=True, exist_ok=True)
  atomic_files.write(path, content.getvalue())
  return centres
