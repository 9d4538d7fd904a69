"""How unsure the segmenter is about each pixel: higher means ask first.

Every score is a pure function of logits with values within [0, 1], so that one
can take the place of another.
"""

import math

import jax
import jax.numpy as jnp

from pointsup_jax.losses import entropy as entropy_lib

NAMES = ('entropy', 'margin', 'least_confidence', 'region_impurity')

_REGIONS = 16  # image heights in a region's radius, for `region_impurity`


def entropy(logits: jax.Array) -> jax.Array:
  """Entropy of the class probabilities over log C (Eq. 5).

  Args:
    logits: [B, H, W, C].

  Returns:
    [B, H, W] float32; 1 where all classes are equally likely.
  """
  return entropy_lib.entropy(logits)


def margin(logits: jax.Array) -> jax.Array:
  """1 - (p1 - p2), the two highest probabilities ('breaking ties').

  Args:
    logits: [B, H, W, C].

  Returns:
    [B, H, W] float32; 1 where the two best classes are equally likely.
  """
  probabilities = jax.nn.softmax(logits.astype(jnp.float32))
  # A second maximum rather than top_k, which sorts every pixel's classes.
  best = jnp.argmax(probabilities, axis=-1, keepdims=True)
  is_best = best == jnp.arange(logits.shape[-1])
  first = jnp.max(probabilities, axis=-1)
  second = jnp.max(jnp.where(is_best, 0.0, probabilities), axis=-1)
  return 1.0 - (first - second)


def least_confidence(logits: jax.Array) -> jax.Array:
  """1 - p1, where p1 is the highest probability.

  Args:
    logits: [B, H, W, C].

  Returns:
    [B, H, W] float32; 1 - 1 / C where all classes are equally likely.
  """
  probabilities = jax.nn.softmax(logits.astype(jnp.float32))
  return 1.0 - jnp.max(probabilities, axis=-1)


def region_impurity(logits: jax.Array) -> jax.Array:
  """How mixed and how unsure the predictions around a pixel are.

  RIPU's score (Xie et al., CVPR 2022): in the square region around each pixel,
  the entropy of the shares of the predicted classes times the mean entropy of
  the probabilities, each over log C. The region reaches H // 16 pixels to
  every side (32 at the paper's 512 rows, as RIPU has it for points) and ends
  where the image does.

  Args:
    logits: [B, H, W, C].

  Returns:
    [B, H, W] float32; 0 where a region is of one class, or certain.
  """
  classes = logits.shape[-1]
  radius = max(1, logits.shape[1] // _REGIONS)
  one_hot = jax.nn.one_hot(jnp.argmax(logits, axis=-1), classes)
  shares = _box_mean(one_hot, radius)
  # 0 log 0 = 0.
  logs = jnp.log(jnp.where(shares > 0, shares, 1.0)) / math.log(classes)
  impurity = -jnp.sum(shares * logs, axis=-1)
  uncertainty = _box_mean(entropy(logits)[..., None], radius)[..., 0]
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
