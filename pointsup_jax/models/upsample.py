"""Bilinear resizing with aligned corners."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

# Pixels in a band of `map_bilinear`, over all images: a band of logits fits a
# CPU's caches and still keeps an accelerator busy.
_PIXELS_IN_BAND = 2**16
# Least rows in a band: a batch for many devices has many pixels per row.
_ROWS_IN_BAND = 8


def bilinear(x: jax.Array, size: tuple[int, int]) -> jax.Array:
  """Resizes x [B, h, w, C] to [B, *size, C] with corner pixels aligned.

  Two products with small constant matrices, whose gradients are products too; a
  gather's gradient is a scatter. The result has x's dtype.
  """
  rows = jnp.asarray(weights(x.shape[1], size[0]), x.dtype)
  columns = jnp.asarray(weights(x.shape[2], size[1]), x.dtype)
  return interpolate(x, rows, columns)


def map_bilinear(
  function: Callable, x: jax.Array, size: tuple[int, int]
) -> Any:
  """Computes function(bilinear(x, size)) for a pixelwise function.

  Processes bands of rows one after another, so the enlarged x never exists as a
  whole: six times faster on a CPU, and only the result takes memory.

  Args:
    function: [R, B, C, W] -> a tree of [R, B, W]; channels come before the
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
  x = x.reshape(old, batch * channels * width)  # one plain product per band

  # Each band needs `count` of the old rows, from its `first` on.
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

  # A CPU runs operations of a loop body in parallel but splits none of them.
  _, result = jax.lax.scan(
    lambda _, band: (None, apply(band)),
    None,
    (jnp.asarray(of_row, x.dtype), first),
    unroll=2,
  )
  return jax.tree.map(whole, result)


def interpolate(x: jax.Array, rows: jax.Array, columns: jax.Array) -> jax.Array:
  """Interpolates x [B, h, w, C] along both axes, columns first.

  `rows` [H, h] and `columns` [W, w] are matrices from `weights`. Returns
  [B, H, W, C] of x's dtype.
  """
  # Without 'highest', accelerators round the factors to 10 bits or fewer.
  x = jnp.einsum('Ww,bhwc->bhWc', columns, x, precision='highest')
  return jnp.einsum('Hh,bhwc->bHwc', rows, x, precision='highest')


def weights(old: int, new: Any, numbers: Any = np) -> Any:
  """The [new, old] matrix that resizes a line of `old` pixels to `new`.

  With `numbers=jax.numpy` it is made in the program, and `new` may be traced.
  """
  # As in PyTorch, pixel i lies at i * (old - 1) / (new - 1), a single one at 0.
  # The integer part is exact; float32 would not be in large images.
  steps = numbers.maximum(new - 1, 1)
  return _weights(old, numbers.arange(new) * (old - 1), steps, numbers)


def weights_on_pixels(
  old: int, stride: int, pixels: int, new_stride: int
) -> np.ndarray:
  """The [new, old] matrix that samples a line of `old` numbers anew.

  Number i lies on pixel stride * i of `pixels` pixels, or beyond them. The new
  ones lie from the first pixel to the last, at most `new_stride` pixels apart.
  """
  last = pixels - 1
  steps = max(-(-last // new_stride), 1)
  found: np.ndarray = _weights(
    old, np.arange(-(-last // new_stride) + 1) * last, stride * steps, np
  )
  return found


def _weights(old: int, positions: Any, steps: Any, numbers: Any) -> Any:
  """Linear interpolation of `old` numbers at positions / steps, [new, old]."""
  below = (positions // steps)[:, None]
  share = ((positions % steps) / steps)[:, None]
  pixels = numbers.arange(old)
  return numbers.where(pixels == below, 1 - share, 0.0) + numbers.where(
    pixels == below + 1, share, 0.0
  )
