"""Grid of patches over an image, numbered row by row from the top left."""

import jax
import jax.numpy as jnp
import numpy as np

from pointsup_jax import errors
from pointsup_jax.types import Array


def patch_scores(score_map: jax.Array, rows: int, cols: int) -> jax.Array:
  """Mean score of each patch (Eq. 6): [B, H, W] -> [B, R * G].

  R = `rows` must divide H, and G = `cols` W (see `check`). Patch p lies in row
  p // G and column p % G of the grid.
  """
  batch, height, width = score_map.shape
  patches = score_map.reshape(batch, rows, height // rows, cols, width // cols)
  return jnp.mean(patches, axis=(2, 4)).reshape(batch, rows * cols)


def top_patches(scores: jax.Array, k: int) -> jax.Array:
  """Indices [B, k] int32 of the highest of the scores [B, P], best first.

  Ties go to the lower index; k is 0 to P.
  """
  # top_k puts 0.0 before -0.0, and -p log p is -0.0 at p = 1.
  scores = jnp.where(scores == 0, 0.0, scores)
  return jax.lax.top_k(scores, k)[1]


def patch_of(
  points: Array, size: tuple[int, ...], rows: int, cols: int
) -> Array:
  """Patches [...] of pixels [..., 2], (row, col) in images of `size` (H, W)."""
  row, col = points[..., 0], points[..., 1]
  return row // (size[0] // rows) * cols + col // (size[1] // cols)


def pixels_of(
  patches: np.ndarray, size: tuple[int, ...], rows: int, cols: int
) -> np.ndarray:
  """Mask of pixels, of `size` (H, W), from one of patches [R * G]."""
  height, width = size[0] // rows, size[1] // cols
  return (
    patches.reshape(rows, cols).repeat(height, axis=0).repeat(width, axis=1)
  )


def check(size: tuple[int, int], rows: int, cols: int, k: int, n: int) -> None:
  """Checks that a grid, k patches and n points per patch fit the target images.

  `size` is (height, width) of the images.

  Raises:
    errors.UsageError: one line that names the config field and what fits.
  """
  height, width = size
  if rows < 1 or cols < 1:
    raise errors.UsageError(
      f'acquire.grid=({rows}, {cols}) must be two positive numbers: rows and '
      'columns of patches'
    )
  if height % rows or width % cols:
    near_grid = (_nearest_divisor(height, rows), _nearest_divisor(width, cols))
    near_size = (
      _nearest_multiple(height, rows),
      _nearest_multiple(width, cols),
    )
    raise errors.UsageError(
      f'acquire.grid=({rows}, {cols}) does not divide data.target.size='
      f'({height}, {width}); nearest are acquire.grid={near_grid} or '
      f'data.target.size={near_size}'
    )
  if not 0 <= k <= rows * cols:
    raise errors.UsageError(
      f'acquire.k={k} must be 0 to {rows * cols}, the number of patches of '
      f'acquire.grid=({rows}, {cols})'
    )
  pixels = (height // rows) * (width // cols)
  if not 1 <= n <= pixels:
    raise errors.UsageError(
      f'acquire.n={n} must be 1 to {pixels}, the number of pixels in a patch '
      f'of {height // rows}x{width // cols}'
    )


def _nearest_divisor(length: int, parts: int) -> int:
  divisors = [d for d in range(1, length + 1) if length % d == 0]
  return min(divisors, key=lambda d: abs(d - parts))


def _nearest_multiple(length: int, parts: int) -> int:
  return max(1, round(length / parts)) * parts
