"""Patches of label maps and their clusters, for AdaptPatch."""

import jax
import jax.numpy as jnp
import numpy as np

from pointsup_jax.types import Array

SIZE = (32, 64)  # pixels of a patch, about
CELLS = 2  # rows and columns of cells in a patch


def grid(height: int, width: int) -> tuple[int, int]:
  """Rows and columns of patches in an image."""
  rows, columns = (
    max(round(pixels / size), 1)
    for pixels, size in zip((height, width), SIZE, strict=True)
  )
  return rows, columns


def windows(pixels: int, parts: int) -> list[tuple[int, int]]:
  """Where parts of a line begin and end, as in torch's adaptive pooling."""
  return [
    (i * pixels // parts, -(-(i + 1) * pixels // parts)) for i in range(parts)
  ]


def cells(pixels: int, parts: int) -> list[tuple[int, int]]:
  """Where the cells of all parts begin and end."""
  return [
    (start + first, start + last)
    for start, stop in windows(pixels, parts)
    for first, last in windows(stop - start, CELLS)
  ]


def histograms(labels: Array, num_classes: int) -> tuple[jax.Array, jax.Array]:
  """Shares of the classes among the labelled pixels of each patch's cells.

  A cell without labels has zeros. `labels` are [B, H, W]. Returns
  [B, U, V, 4 C], cells row by row, then classes; and the patches with labels,
  [B, U, V] bool.
  """
  _, height, width = labels.shape
  rows, columns = grid(height, width)
  chosen = jnp.asarray(labels)[..., None] == jnp.arange(num_classes)
  counts = _summed(
    chosen.astype(jnp.float32), cells(height, rows), cells(width, columns)
  )
  shares = counts / jnp.maximum(jnp.sum(counts, axis=-1, keepdims=True), 1.0)
  cut = (-1, rows, CELLS, columns, CELLS, num_classes)
  shares = jnp.swapaxes(shares.reshape(cut), 2, 3)
  shares = shares.reshape(-1, rows, columns, CELLS**2 * num_classes)
  return shares, jnp.sum(shares, axis=-1) > 0


def nearest(shares: jax.Array, centres: Array) -> jax.Array:
  """The nearest centre's number of histograms [..., 4 C]."""
  centres = jnp.asarray(centres, shares.dtype)
  products = jnp.matmul(shares, centres.T, precision='highest')
  return jnp.argmin(jnp.sum(centres**2, axis=-1) - 2 * products, axis=-1)


def means(maps: jax.Array) -> jax.Array:
  """Means of maps [B, H, W, C] over each patch, [B, U, V, C]."""
  _, height, width, _ = maps.shape
  rows, columns = grid(height, width)
  down, across = windows(height, rows), windows(width, columns)
  areas = [[(b - a) * (d - c) for c, d in across] for a, b in down]
  return _summed(maps, down, across) / jnp.asarray(areas, maps.dtype)[..., None]


def _summed(
  x: jax.Array, down: list[tuple[int, int]], across: list[tuple[int, int]]
) -> jax.Array:
  """Sums x [B, H, W, C] over windows of rows and columns."""
  rows, columns = (
    jnp.asarray([[a <= i < b for i in range(n)] for a, b in parts], x.dtype)
    for n, parts in ((x.shape[1], down), (x.shape[2], across))
  )
  x = jnp.einsum('Vw,bhwc->bhVc', columns, x, precision='highest')
  return jnp.einsum('Uh,bhVc->bUVc', rows, x, precision='highest')


def drawn(
  labels: np.ndarray, num_classes: int, count: int, rng: np.random.Generator
) -> np.ndarray:
  """Histograms [N, 4 C] of up to `count` labelled patches of labels [H, W]."""
  parts = grid(*labels.shape)
  down, across = (
    cells(pixels, n) for pixels, n in zip(labels.shape, parts, strict=True)
  )
  found: list[np.ndarray] = []
  for patch in rng.permutation(parts[0] * parts[1]):
    row, column = (CELLS * part for part in divmod(int(patch), parts[1]))
    shares = np.concatenate(
      [
        _shares(labels[slice(*one), slice(*two)], num_classes)
        for one in down[row : row + CELLS]
        for two in across[column : column + CELLS]
      ]
    )
    if shares.any():
      found.append(shares)
    if len(found) == count:
      break
  return np.array(found).reshape(len(found), CELLS**2 * num_classes)


def _shares(labels: np.ndarray, num_classes: int) -> np.ndarray:
  known = np.bincount(labels.ravel(), minlength=256)[:num_classes]
  return known / max(int(known.sum()), 1)


def clusters(
  points: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
  """Centres [count, D] of points [N, D]: K-means++, then Lloyd's rounds."""
  centres = [points[rng.integers(len(points))]]
  distances = _squared(points, centres[0])
  while len(centres) < count:
    total = distances.sum()
    odds = distances / total if total > 0 else None  # None: all alike
    centres.append(points[rng.choice(len(points), p=odds)])
    distances = np.minimum(distances, _squared(points, centres[-1]))
  return lloyd(points, np.array(centres), rounds=100)


def lloyd(points: np.ndarray, centres: np.ndarray, rounds: int) -> np.ndarray:
  """Lloyd's algorithm from these centres; an emptied cluster keeps its own."""
  belongs = None
  for _ in range(rounds):
    before = belongs
    distances = (centres**2).sum(-1) - 2 * points @ centres.T
    belongs = distances.argmin(-1)
    if before is not None and np.array_equal(before, belongs):
      break
    sizes = np.bincount(belongs, minlength=len(centres))
    sums = np.zeros_like(centres)
    np.add.at(sums, belongs, points)
    centres = np.where(
      sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], centres
    )
  return centres


def _squared(points: np.ndarray, centre: np.ndarray) -> np.ndarray:
  return ((points - centre) ** 2).sum(-1)
