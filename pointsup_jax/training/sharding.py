"""Where arrays live: batches split over all devices, everything else whole."""

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from pointsup_jax import errors


def mesh() -> Mesh:
  """All devices of all hosts on one axis, 'data'."""
  # Auto: the default, Explicit, makes indexing and bincount fail inside jit.
  return jax.make_mesh(
    (jax.device_count(),), ('data',), axis_types=(AxisType.Auto,)
  )


def replicated(mesh: Mesh) -> NamedSharding:
  """Every device holds the whole array."""
  return NamedSharding(mesh, PartitionSpec())


def split(mesh: Mesh) -> NamedSharding:
  """Every device holds its share of the first axis."""
  return NamedSharding(mesh, PartitionSpec('data'))


def put(batch, where: NamedSharding):
  """This process's part of a global batch, moved to its devices."""
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
