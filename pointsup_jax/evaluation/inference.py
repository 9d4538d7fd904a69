"""Inference with the segmenter: running statistics, one prediction."""

import jax
import jax.numpy as jnp

from pointsup_jax.models import deeplab, upsample
from pointsup_jax.types import Array, Variables


def small_logits(
  segmenter: deeplab.DeepLabV2, variables: Variables, images: Array
) -> jax.Array:
  """The prediction's logits [B, h, w, C] float32 of RGB [B, H, W, 3] uint8."""
  return look(segmenter, variables, images)[0]


def look(
  segmenter: deeplab.DeepLabV2, variables: Variables, images: Array
) -> tuple[jax.Array, dict[str, jax.Array]]:
  """`small_logits`, and the features by name, [B, h, w, D]."""
  outputs, sown = segmenter.apply(
    variables, segmenter.preprocess(images), train=False, mutable=['taps']
  )
  return segmenter.predicted(outputs), sown['taps']  # type: ignore[arg-type]


def labels(small_logits: jax.Array, size: tuple[int, int]) -> jax.Array:
  """Classes [B, *size] uint8: argmax of enlarged logits [B, h, w, C]."""
  return upsample.map_bilinear(
    lambda logits: jnp.argmax(logits, axis=-2).astype(jnp.uint8),
    small_logits,
    size,
  )
