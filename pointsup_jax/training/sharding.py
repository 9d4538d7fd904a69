"""Where arrays live: batches split over all devices, everything else whole."""

from typing import TypeVar

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from pointsup_jax import errors

T = TypeVar('T')


def mesh() -> Mesh:
  """All devices on one axis, 'data', those of a process side by side.

  A process's rows of a batch lie where its devices stand, and the pipeline
  gives process p the p-th share. jax.make_mesh follows the torus, on which the
  processes of a TPU slice interleave.
  """
  devices = sorted(jax.devices(), key=lambda d: (d.process_index, d.id))
  # Auto: the default, Explicit, makes indexing and bincount fail inside jit.
  return Mesh(np.array(devices), ('data',), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
  """Every device holds the whole array."""
  return NamedSharding(mesh, PartitionSpec())


def split(mesh: Mesh) -> NamedSharding:
  """Every device holds its share of the first axis."""
  return NamedSharding(mesh, PartitionSpec('data'))


def put(batch: T, where: NamedSharding) -> T:
  """This process's part of a global batch, as a global batch on the devices.

  Args:
    batch: a tree of NumPy arrays, the rows of this process.
    where: how the rows of the global batch are spread.
  """
  return jax.tree.map(
    lambda x: jax.make_array_from_process_local_data(where, x), batch
  )


def shared_batch(batch_size: int) -> int:
  """The next batch size that the devices share evenly."""
  devices = jax.device_count()
  return -(-batch_size // devices) * devices


def check_batch_size(batch_size: int, field: str) -> None:
  """Refuses a batch that the devices cannot share evenly."""
  devices = jax.device_count()
  if batch_size < 1 or batch_size % devices:
    raise errors.UsageError(
      f'{field}={batch_size} must be a positive multiple of the number of '
      f'devices, {devices}'
    )
