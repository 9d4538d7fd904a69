"""Bilinear resizing with aligned corners."""

import jax
import jax.numpy as jnp
import numpy as np


def bilinear(x: jax.Array, size: tuple[int, int]) -> jax.Array:
  """Resizes so that the corner pixels of input and output coincide.

  Bilinear resizing is separable, so it is two products with small constant
  matrices; their gradients are products too, where a gather's is a scatter.

  Args:
    x: [B, h, w, C].
    size: (H, W) of the result.

  Returns:
    [B, H, W, C], of x's dtype.
  """
  rows = jnp.asarray(weights(x.shape[1], size[0]), x.dtype)
  columns = jnp.asarray(weights(x.shape[2], size[1]), x.dtype)
  return interpolate(x, rows, columns)


def interpolate(x: jax.Array, rows: jax.Array, columns: jax.Array) -> jax.Array:
  """Interpolates along both axes, columns first.

  Args:
    x: [B, h, w, C].
    rows: [H, h], what each row of the result takes of the rows of x.
    columns: [W, w], likewise.

  Returns:
    [B, H, W, C], of x's dtype.
  """
  # Without 'highest', accelerators round the factors to 10 bits or fewer.
  x = jnp.einsum('Ww,bhwc->bhWc', columns, x, precision='highest')
  return jnp.einsum('Hh,bhwc->bHwc', rows, x, precision='highest')


def weights(old: int, new: int) -> np.ndarray:
  """The matrix [new, old] that interpolates a line of old pixels at new."""
  # A single output pixel lies on the first input pixel, as in PyTorch.
  positions = np.linspace(0, old - 1, new) if new > 1 else np.zeros(1)
  distances = np.abs(positions[:, None] - np.arange(old))
  return np.maximum(0.0, 1.0 - distances)
