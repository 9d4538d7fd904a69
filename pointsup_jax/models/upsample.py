"""Bilinear resizing with aligned corners."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

# Of a band of `map_bilinear`, over all images: few enough that a band of logits
# stays in a CPU's caches, enough that an accelerator has something to do.
_PIXELS_IN_BAND = 2**16
# A batch over many devices has more pixels in a row than each of them has.
_ROWS_IN_BAND = 8


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


def map_bilinear(
  function: Callable, x: jax.Array, size: tuple[int, int]
) -> Any:
  """function(bilinear(x, size)) for one that treats each pixel by itself.

  It is applied to bands of rows, one after the other, so that the enlarged x is
  never there as a whole: six times as fast on a CPU, and of the result alone
  depends how much memory it takes.

  Args:
    function: [R, B, C, W] -> a tree of [R, B, W]; the channels come before the
      width, so that each of its passes reads contiguous memory.
    x: [B, h, w, C].
    size: (H, W) of the result.

  Returns:
    A tree of [B, H, W].
  """
  (batch, old, _, channels), (height, width) = x.shape, size
  rows_in_band = max(_PIXELS_IN_BAND // (batch * width), _ROWS_IN_BAND)
  rows_in_band = min(rows_in_band, height)
  bands = -(-height // rows_in_band)
  columns = jnp.asarray(weights(x.shape[2], width), x.dtype)
  x = jnp.einsum('bhwc,Ww->hbcW', x, columns, precision='highest')
  x = x.reshape(old, batch * channels * width)  # one plain product a band

  # A band needs few of the old rows: those from `first` on, as many for all.
  of_row = weights(old, height)
  padding = ((0, bands * rows_in_band - height), (0, 0))
  of_row = np.pad(of_row, padding, 'edge').reshape(bands, rows_in_band, old)
  needed = [np.flatnonzero(band.any(axis=0)) for band in of_row]
  count = max(int(rows[-1] - rows[0]) + 1 for rows in needed)
  first = np.array([min(int(rows[0]), old - count) for rows in needed])
  of_row = np.stack(
    [band[:, i : i + count] for band, i in zip(of_row, first, strict=True)]
  )

  def apply(band: tuple[jax.Array, np.ndarray]) -> Any:
    rows, first = band
    taken = jax.lax.dynamic_slice_in_dim(x, first, count)
    enlarged = jnp.matmul(rows, taken, precision='highest')
    return function(enlarged.reshape(-1, batch, channels, width))

  def whole(result: jax.Array) -> jax.Array:
    rows = result.reshape(-1, batch, width)[:height]
    return jnp.moveaxis(rows, 1, 0)

  # Two at a time: a CPU runs the parts of a loop's body beside each other, but
  # splits none of them.
  _, result = jax.lax.scan(
    lambda _, band: (None, apply(band)),
    None,
    (jnp.asarray(of_row, x.dtype), first),
    unroll=2,
  )
  return jax.tree.map(whole, result)


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


def weights(old: int, new: Any, numbers: Any = np) -> Any:
  """The matrix [new, old] that interpolates a line of old pixels at new.

  Args:
    old: pixels of a line.
    new: pixels of the resized line.
    numbers: numpy; or jax.numpy for a matrix that is made in the program, where
      `new` may be unknown while it is traced.
  """
  # Pixel i lies at i * (old - 1) / (new - 1), or at 0 if it is the only one, as
  # in PyTorch. The integer part is exact: float32 would not be in large images.
  steps = numbers.maximum(new - 1, 1)
  positions = numbers.arange(new) * (old - 1)
  below = (positions // steps)[:, None]
  share = ((positions % steps) / steps)[:, None]
  pixels = numbers.arange(old)
  return numbers.where(pixels == below, 1 - share, 0.0) + numbers.where(
    pixels == below + 1, share, 0.0
  )
