"""Batches over every image of a source once, for evaluation and acquisition."""

from collections.abc import Callable, Iterator

import jax

from pointsup_jax.data import pipeline, sources
from pointsup_jax.hosts import progress, stopping
from pointsup_jax.run import context as run_lib
from pointsup_jax.training import sharding
from pointsup_jax.types import Batch


def every_image(
  run: run_lib.Run,
  source: sources.Source,
  batch_size: int,
  title: str,
  before: int = 0,
) -> Iterator[tuple[list[str], Batch, int]]:
  """Yields (names of B images, batch on the devices, number of valid images).

  `batch_size` is rounded up to a multiple of the number of devices, except that
  batches of 1 stay so and are replicated; only then may image sizes differ.
  Shows progress under `title`, counting `before` images as done, and raises
  errors.Stopped between batches if the user asked to stop.
  """
  alone = batch_size == 1
  size = 1 if alone else sharding.shared_batch(batch_size)
  batches = pipeline.in_order(
    source,
    batch_size=size,
    num_threads=run.config.data.threads,
    process_index=0 if alone else jax.process_index(),
    process_count=1 if alone else jax.process_count(),
  )
  where = (sharding.replicated if alone else sharding.split)(run.mesh)
  done, total = before, before + len(source)
  with progress.Progress(title, total, start=before, unit='image') as bar:
    for names, batch, valid in batches:
      yield names, sharding.put(batch, where), valid
      done += valid
      bar.update(done)
      stopping.check()


def compiled(run: run_lib.Run, function: Callable) -> Callable:
  """Jits a function of such batches; its result is replicated."""
  return jax.jit(function, out_shardings=sharding.replicated(run.mesh))
