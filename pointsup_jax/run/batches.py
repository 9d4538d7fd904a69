"""Every image of a source once, in batches that all devices share."""

from collections.abc import Callable, Iterator

import jax

from pointsup_jax.data import pipeline, sources
from pointsup_jax.run import context as run_lib
from pointsup_jax.training import sharding
from pointsup_jax.types import Batch


def every_image(
  run: run_lib.Run, source: sources.Source, batch_size: int
) -> Iterator[tuple[list[str], Batch, int]]:
  """Batches for evaluation and acquisition.

  Args:
    run: its devices.
    source: the images; their sizes may differ where `batch_size` is 1.
    batch_size: is rounded up to a multiple of the devices; but single images
      stay single, and every device has them.

  Yields:
    The names of B images, the batch on the devices, and how many of the images
    are valid.
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
  for names, batch, valid in batches:
    yield names, sharding.put(batch, where), valid


def compiled(run: run_lib.Run, function: Callable) -> Callable:
  """A jitted function of such batches; every process gets all of its result."""
  return jax.jit(function, out_shardings=sharding.replicated(run.mesh))
