"""One traceable program from images of any size to labels and entropy.

It includes all pre- and postprocessing. Batch, height and width may be symbolic
during tracing, so the resizing matrices are computed in the program.
"""

from typing import TypeAlias

import jax
import jax.numpy as jnp

from pointsup_jax.evaluation import inference
from pointsup_jax.models import deeplab, upsample
from pointsup_jax.prediction import segmenting
from pointsup_jax.types import Variables

Pixels: TypeAlias = jax.Array | int  # length of a side; may be symbolic


def segment(
  images: jax.Array,
  *,
  segmenter: deeplab.DeepLabV2,
  variables: Variables,
  size: tuple[int, int],
) -> tuple[jax.Array, jax.Array]:
  """Segments RGB images [B, H, W, 3] uint8 of any size.

  The network sees them at `size` (height, width). Returns labels [B, H, W]
  uint8 and entropy [B, H, W] float32, 0 to 1.
  """
  _, height, width, _ = images.shape
  small = inference.small_logits(segmenter, variables, resize(images, size))
  logits = upsample.interpolate(
    small,
    upsample.weights(small.shape[1], height, jnp),
    upsample.weights(small.shape[2], width, jnp),
  )
  return segmenting.judge(logits)


def resize(images: jax.Array, size: tuple[int, int]) -> jax.Array:
  """Resizes [B, H, W, 3] uint8 to `size` (height, width) as Pillow's bicubic.

  Matches `data.transforms.resize_image`: width first, or height if only height
  shrinks (Pillow from version 13), with rounding after each axis. Pillow also
  rounds its weights, so a few pixels in 10,000 differ, by one level of 255.
  """
  _, height, width, _ = images.shape
  rows = cubic_weights(height, size[0])
  columns = cubic_weights(width, size[1])
  resized = jax.lax.cond(
    (jnp.asarray(height) > size[0]) & (jnp.asarray(width) <= size[1]),
    lambda x: _along_width(columns, _along_height(rows, x)),
    lambda x: _along_height(rows, _along_width(columns, x)),
    images.astype(jnp.float32),
  )
  return resized.astype(jnp.uint8)


def _along_height(rows: jax.Array, x: jax.Array) -> jax.Array:
  return _round(jnp.einsum('Hh,bhwc->bHwc', rows, x, precision='highest'))


def _along_width(columns: jax.Array, x: jax.Array) -> jax.Array:
  return _round(jnp.einsum('Ww,bhwc->bhWc', columns, x, precision='highest'))


def _round(x: jax.Array) -> jax.Array:
  return jnp.clip(jnp.floor(x + 0.5), 0, 255)


def cubic_weights(old: Pixels, new: Pixels) -> jax.Array:
  """Matrix [new, old] of Keys' cubic (a = -0.5), widened for downsampling.

  `old` and `new` are lengths in pixels; old * new must be below 2**30.
  """
  # Pixel centres in units of 1 / (2 * new) input pixels, which are integers.
  centres = (2 * jnp.arange(new) + 1) * old
  pixels = (2 * jnp.arange(old) + 1) * new
  distances = jnp.abs(centres[:, None] - pixels)
  x = distances.astype(jnp.float32) / (2.0 * jnp.maximum(old, new))
  near = (1.5 * x - 2.5) * x * x + 1
  far = ((-0.5 * x + 2.5) * x - 4) * x + 2
  weights = jnp.where(x < 1, near, jnp.where(x < 2, far, 0.0))
  return weights / jnp.sum(weights, axis=1, keepdims=True)
