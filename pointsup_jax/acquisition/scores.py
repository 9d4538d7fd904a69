"""How unsure the segmenter is about each pixel: higher means ask first.

Every score is a pure function of logits with values within [0, 1], so that one
can take the place of another.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from pointsup_jax.losses.entropy import entropy
from pointsup_jax.models import upsample

NAMES = ('entropy', 'margin', 'least_confidence', 'region_impurity')

_REGIONS = 16  # image heights in a region's radius, for `region_impurity`


class Maps(NamedTuple):
  """What the logits say of every pixel."""

  labels: jax.Array  # [B, H, W] uint8, the likeliest class
  scores: jax.Array  # [B, H, W] float32


def maps(score: str, small_logits: jax.Array, size: tuple[int, int]) -> Maps:
  """Labels and a score of enlarged logits, which are never there as a whole.

  Args:
    score: a name of NAMES.
    small_logits: [B, h, w, C], as the network gives them.
    size: H and W of the result.
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
  """1 - (p1 - p2), the two highest probabilities ('breaking ties').

  Args:
    logits: the classes lie on `axis`.
    axis: which is not in the result.

  Returns:
    float32; 1 where the two best classes are equally likely.
  """
  probabilities = jax.nn.softmax(logits.astype(jnp.float32), axis)
  # A second maximum rather than top_k, which sorts every pixel's classes.
  best = jnp.argmax(probabilities, axis)
  is_best = jax.nn.one_hot(best, logits.shape[axis], axis=axis, dtype=bool)
  first = jnp.max(probabilities, axis)
  second = jnp.max(jnp.where(is_best, 0.0, probabilities), axis)
  return 1.0 - (first - second)


def least_confidence(logits: jax.Array, axis: int = -1) -> jax.Array:
  """1 - p1, where p1 is the highest probability.

  Args:
    logits: the classes lie on `axis`.
    axis: which is not in the result.

  Returns:
    float32; 1 - 1 / C where all classes are equally likely.
  """
  probabilities = jax.nn.softmax(logits.astype(jnp.float32), axis)
  return 1.0 - jnp.max(probabilities, axis)


def region_impurity(
  labels: jax.Array, unsure: jax.Array, *, num_classes: int
) -> jax.Array:
  """How mixed and how unsure the predictions around a pixel are.

  RIPU's score (Xie et al., CVPR 2022): in the square region around each pixel,
  the entropy of the shares of the predicted classes times the mean entropy of
  the probabilities, each over log C. The region reaches H // 16 pixels to
  every side (32 at the paper's 512 rows, as RIPU has it for points) and ends
  where the image does.

  Args:
    labels: [B, H, W], the predicted classes.
    unsure: [B, H, W], the entropy of the probabilities over log C.
    num_classes: C.

  Returns:
    [B, H, W] float32; 0 where a region is of one class, or certain.
  """
  radius = max(1, labels.shape[1] // _REGIONS)
  shares = _box_mean(jax.nn.one_hot(labels, num_classes), radius)
  # 0 log 0 = 0.
  logs = jnp.log(jnp.where(shares > 0, shares, 1.0)) / math.log(num_classes)
  impurity = -jnp.sum(shares * logs, axis=-1)
  uncertainty = _box_mean(unsure[..., None], radius)[..., 0]
  return impurity * uncertainty


def _box_mean(x: jax.Array, radius: int) -> jax.Array:
  """The mean of [B, H, W, C] over squares cut off at the borders; x >= 0.

  Running sums make its cost independent of the radius. The division comes
  last, so that the sums of a one-hot x are whole numbers and exact.
  """
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
  return jnp.maximum(x, 0.0) / pixels
