"""Inference with the segmenter: running statistics, one prediction."""

import jax
import jax.numpy as jnp

from pointsup_jax.models import deeplab, upsample
from pointsup_jax.types import Array, Variables


def small_logits(
  segmenter: deeplab.DeepLabV2, variables: Variables, images: Array
) -> jax.Array:
  """The prediction's logits [B, h, w, C] float32 of RGB [B, H, W, 3] uint8."""
  outputs = segmenter.apply(variables, deeplab.preprocess(images), train=False)
  return segmenter.predicted(outputs)  # type: ignore[arg-type]


def labels(small_logits: jax.Array, size: tuple[int, int]) -> jax.Array:
  """Classes [B, *size] uint8: argmax of enlarged logits [B, h, w, C]."""
  return upsample.map_bilinear(
    lambda logits: jnp.argmax(logits, axis=-2).astype(jnp.uint8),
    small_logits,
    size,
  )
