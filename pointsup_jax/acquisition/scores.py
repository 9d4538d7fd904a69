"""Uncertainty scores per pixel; the highest are asked about first.

All are pure functions of logits with values in [0, 1], thus interchangeable.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from pointsup_jax.losses.entropy import entropy
from pointsup_jax.models import upsample

NAMES = ('entropy', 'margin', 'least_confidence', 'region_impurity')

_REGIONS = 16  # `region_impurity`: image height / radius of a region


class Maps(NamedTuple):
  """Predicted class and score of every pixel."""

  labels: jax.Array  # [B, H, W] uint8, the likeliest class
  scores: jax.Array  # [B, H, W] float32


def maps(score: str, small_logits: jax.Array, size: tuple[int, int]) -> Maps:
  """Labels and scores of enlarged logits, computed by bands (`map_bilinear`).

  `score` is one of NAMES, `small_logits` [B, h, w, C] the network's output and
  `size` the result's (H, W).
  """
  pixelwise = {
    'entropy': entropy,
    'margin': margin,
    'least_confidence': least_confidence,
    'region_impurity': entropy,
  }[score]

  def of_pixels(logits: jax.Array) -> Maps:
    labels = jnp.argmax(logits, axis=-2).astype(jnp.uint8)
    return Maps(labels, pixelwise(logits, axis=-2))

  found = upsample.map_bilinear(of_pixels, small_logits, size)
  if score != 'region_impurity':
    return found
  classes = small_logits.shape[-1]
  return found._replace(scores=region_impurity(*found, num_classes=classes))


def margin(logits: jax.Array, axis: int = -1) -> jax.Array:
  """1 - (p1 - p2) of the two highest probabilities over `axis`, float32."""
  probabilities = jax.nn.softmax(logits.astype(jnp.float32), axis)
  # A second maximum: top_k would sort every pixel's classes.
  best = jnp.argmax(probabilities, axis)
  is_best = jax.nn.one_hot(best, logits.shape[axis], axis=axis, dtype=bool)
  first = jnp.max(probabilities, axis)
  second = jnp.max(jnp.where(is_best, 0.0, probabilities), axis)
  return 1.0 - (first - second)


def least_confidence(logits: jax.Array, axis: int = -1) -> jax.Array:
  """1 - p1, the highest probability over `axis`, float32."""
  probabilities = jax.nn.softmax(logits.astype(jnp.float32), axis)
  return 1.0 - jnp.max(probabilities, axis)


def region_impurity(
  labels: jax.Array, unsure: jax.Array, *, num_classes: int
) -> jax.Array:
  """Class impurity times mean uncertainty of the region around each pixel.

  RIPU's score (Xie et al., CVPR 2022): the entropy of the shares of predicted
  classes times the mean predictive entropy, each over log C. A region is a
  square that extends H // 16 pixels to every side (32 at the paper's 512 rows,
  as in RIPU for points), cropped to the image.

  `labels` [B, H, W] are predicted classes, `unsure` [B, H, W] the predictive
  entropy over log C. Returns [B, H, W] float32; 0 where a region has one class
  or is certain.
  """
  radius = max(1, labels.shape[1] // _REGIONS)
  shares = _box_mean(jax.nn.one_hot(labels, num_classes), radius)
  # 0 log 0 = 0.
  logs = jnp.log(jnp.where(shares > 0, shares, 1.0)) / math.log(num_classes)
  impurity = -jnp.sum(shares * logs, axis=-1)
  uncertainty = _box_mean(unsure[..., None], radius)[..., 0]
  return impurity * uncertainty


def _box_mean(x: jax.Array, radius: int) -> jax.Array:
  """Mean of x >= 0, [B, H, W, C], over squares cropped to the image."""
  pixels = jnp.ones((), x.dtype)
  for axis in (1, 2):
    places = jnp.arange(x.shape[axis])
    first = jnp.maximum(places - radius, 0)
    last = jnp.minimum(places + radius + 1, x.shape[axis])
    sums = jnp.pad(
      jnp.cumsum(x, axis), [(int(i == axis), 0) for i in range(x.ndim)]
    )
    x = jnp.take(sums, last, axis) - jnp.take(sums, first, axis)
    pixels = pixels * jnp.expand_dims(
      last - first, [i for i in range(x.ndim) if i != axis]
    )
  # Dividing last keeps the sums of a one-hot x exact.
  return jnp.maximum(x, 0.0) / pixels
