"""The segmenter as its users see it: running statistics, main head alone."""

import jax
import jax.numpy as jnp

from pointsup_jax.models import deeplab, upsample
from pointsup_jax.types import Array, Variables


def small_logits(
  segmenter: deeplab.DeepLabV2, variables: Variables, images: Array
) -> jax.Array:
  """The main head's logits as the network gives them.

  Args:
    segmenter: the network.
    variables: its params and batch_stats.
    images: [B, H, W, 3] uint8, RGB.

  Returns:
    [B, h, w, C] float32.
  """
  outputs = segmenter.apply(variables, deeplab.preprocess(images), train=False)
  return outputs.main  # type: ignore[union-attr]


def labels(small_logits: jax.Array, size: tuple[int, int]) -> jax.Array:
  """The likeliest class of every pixel of the enlarged logits.

  Args:
    small_logits: [B, h, w, C].
    size: height and width of the result.

  Returns:
    [B, *size] uint8.
  """
  return upsample.map_bilinear(
    lambda logits: jnp.argmax(logits, axis=-2).astype(jnp.uint8),
    small_logits,
    size,
  )
