"""Shardings: batches are split over all devices, all else is replicated."""

from collections.abc import Sequence
from typing import TypeVar

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from pointsup_jax import errors

T = TypeVar('T')


def mesh(devices: Sequence[jax.Device] = ()) -> Mesh:
  """All devices, or those given, on one axis, 'data', grouped by process.

  The pipeline gives process p the p-th share of a batch, which must lie on its
  devices. jax.make_mesh would follow the torus, on which the processes of a TPU
  slice interleave.
  """
  found = sorted(
    devices or jax.devices(), key=lambda d: (d.process_index, d.id)
  )
  # Auto: the default, Explicit, makes indexing and bincount fail inside jit.
  return Mesh(np.array(found), ('data',), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
  """Every device holds the whole array."""
  return NamedSharding(mesh, PartitionSpec())


def split(mesh: Mesh) -> NamedSharding:
  """Every device holds its share of the first axis."""
  return NamedSharding(mesh, PartitionSpec('data'))


def put(batch: T, where: NamedSharding) -> T:
  """Builds a global batch on the devices from this process's NumPy rows."""
  return jax.tree.map(
    lambda x: jax.make_array_from_process_local_data(where, x), batch
  )


def shared_batch(batch_size: int) -> int:
  """Rounds a batch size up to a multiple of the number of devices."""
  devices = jax.device_count()
  return -(-batch_size // devices) * devices


def check_batch_size(batch_size: int, field: str) -> None:
  """Raises UsageError unless the devices share the batch evenly."""
  devices = jax.device_count()
  if batch_size < 1 or batch_size % devices:
    raise errors.UsageError(
      f'{field}={batch_size} must be a positive multiple of the number of '
      f'devices, {devices}'
    )
