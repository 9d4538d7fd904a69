"""The segmenter as its users see it: running statistics, main head alone."""

import jax

from pointsup_jax.models import deeplab, upsample
from pointsup_jax.types import Array, Variables


def logits(
  segmenter: deeplab.DeepLabV2,
  variables: Variables,
  images: Array,
  size: tuple[int, int],
) -> jax.Array:
  """The main head's logits, enlarged.

  Args:
    segmenter: the network.
    variables: its params and batch_stats.
    images: [B, H, W, 3] uint8, RGB.
    size: height and width of the result.

  Returns:
    [B, *size, C] float32.
  """
  return upsample.bilinear(small_logits(segmenter, variables, images), size)


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
