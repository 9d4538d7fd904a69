"""Selection of patches to ask about, and of the points in each patch.

Randomness depends only on the seed and the image's name, not on the order of
images, their batches or the number of hosts.
"""

import zlib
from collections.abc import Iterable

import jax
import jax.numpy as jnp
import numpy as np

from pointsup_jax.acquisition import grid
from pointsup_jax.types import Array

STRATEGIES = ('active', 'random', 'self_training', 'full')

_POINTS, _PATCHES, PIXELS = 0, 1, 2  # independent streams of one seed


def image_ids(names: Iterable[str]) -> np.ndarray:
  """CRC-32 of the names, [B] uint32, which identify images on the device."""
  return np.array([zlib.crc32(name.encode()) for name in names], np.uint32)


def draw_points(
  seed: int,
  image_ids: Array,
  size: tuple[int, int],
  rows: int,
  cols: int,
  n: int,
) -> jax.Array:
  """Draws n distinct pixels in every patch, uniformly.

  `image_ids` are [B] uint32. The grid of `rows` x `cols` must divide `size`,
  the images' (H, W) (`grid.check`); n is at most the pixels of a patch.

  Returns:
    [B, P, N, 2] int32, row and column in the image; each patch's points are
    sorted by row, then column.
  """
  height, width = size[0] // rows, size[1] // cols
  pixels = jax.vmap(lambda key: distinct(key, rows * cols, height * width, n))(
    keys(seed, _POINTS, image_ids)
  )
  patch = jnp.arange(rows * cols)[:, None]  # [P, 1]
  return jnp.stack(
    [
      patch // cols * height + pixels // width,
      patch % cols * width + pixels % width,
    ],
    axis=-1,
  )


def ranking(
  strategy: str, scores: Array, seed: int, image_ids: Array
) -> jax.Array:
  """Scores [B, P] by which `select` chooses patches, higher first."""
  if strategy == 'random':
    return random_scores(seed, image_ids, scores.shape[1])
  return jnp.asarray(scores)


def random_scores(
  seed: int, image_ids: Array, places: int, stream: int = _PATCHES
) -> jax.Array:
  """Uniform scores in [0, 1), [B, places], as a baseline."""
  return jax.vmap(lambda key: jax.random.uniform(key, (places,)))(
    keys(seed, stream, image_ids)
  )


def select(strategy: str, ranks: jax.Array, asked: Array, k: int) -> jax.Array:
  """Selects the patches of each image that the annotator is asked about.

  Args:
    strategy: 'active' or 'random' (k highest ranks), 'self_training' (none) or
      'full' (all, highest rank first).
    ranks: [B, P], from `ranking`.
    asked: [B, P] bool, patches of earlier rounds, not to be asked again.
    k: patches per image, at most those not yet asked about.

  Returns:
    [B, K] int32, distinct, best first; K is k, 0 or P.
  """
  if strategy in ('active', 'random'):
    return grid.top_patches(jnp.where(asked, -jnp.inf, ranks), k)
  if strategy == 'self_training':
    return jnp.zeros((len(ranks), 0), jnp.int32)
  if strategy == 'full':
    return grid.top_patches(ranks, ranks.shape[1])
  raise ValueError(f'{strategy!r} is not one of {STRATEGIES}')


def select_among_all(ranks: jax.Array, asked: Array, count: int) -> jax.Array:
  """Selects the best patches of all images together.

  `ranks` [N, P] and `asked` [N, P] are as in `select`; `count` is at most the
  number of patches not yet asked about.

  Returns:
    [count, 2] int32, image and patch, distinct, best first; ties go to the
    earlier image, then to the lower patch.
  """
  patches = ranks.shape[1]
  open_ranks = jnp.where(asked, -jnp.inf, ranks)
  flat = grid.top_patches(open_ranks.reshape(1, -1), count)[0]
  return jnp.stack([flat // patches, flat % patches], axis=-1)


def keys(seed: int, stream: int, image_ids: Array) -> jax.Array:
  """One random key per image, [B], of one of the seed's streams."""
  key = jax.random.fold_in(jax.random.key(seed), stream)
  return jax.vmap(lambda image_id: jax.random.fold_in(key, image_id))(
    jnp.asarray(image_ids)
  )


def distinct(key: jax.Array, sets: int, total: int, n: int) -> jax.Array:
  """Draws [sets, n] distinct int32 below total, ascending, uniformly.

  Floyd's algorithm: draw i comes from 0..last, last = total - n + i; a number
  already taken is replaced by `last`, which is still free.
  """
  lasts = jnp.arange(total - n, total)
  drawn = jax.random.randint(key, (sets, n), 0, lasts + 1)

  def take(i: jax.Array, chosen: jax.Array) -> jax.Array:
    taken = jnp.any(chosen == drawn[:, i, None], axis=-1)
    return chosen.at[:, i].set(jnp.where(taken, lasts[i], drawn[:, i]))

  nothing = jnp.full((sets, n), -1, jnp.int32)
  return jnp.sort(jax.lax.fori_loop(0, n, take, nothing), axis=-1)
