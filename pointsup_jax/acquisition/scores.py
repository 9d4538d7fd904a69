"""Uncertainty scores per pixel; the highest are asked about first.

`SCORES` names them; docs/ADDING_A_SCORE.md shows how to add one.
"""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp

from pointsup_jax.losses.entropy import entropy
from pointsup_jax.models import upsample

_REGIONS = 16  # `region_impurity`: image height / radius of a region
# `ripu`: the same. Its radius is 32 in images of 1024 rows.
_SPACINGS = 32


class Seen(NamedTuple):
  """What a network gives for a batch of images, at its own size [h, w]."""

  logits: jax.Array  # [B, h, w, C], the prediction's
  # Features by the names of `deeplab.DeepLabV2`'s taps, [B, h, w, D].
  taps: Mapping[str, jax.Array] = {}
  # Logits of the previous round's asking model; None: there is none.
  before: jax.Array | None = None


class Score(NamedTuple):
  """How unsure a model is about each pixel, from 0 to 1.

  Attributes:
    pixel: the score of enlarged logits [..., C, W] over an axis, as
      `entropy(logits, axis=-2)`; of bands of rows, so that nothing enlarged
      exists as a whole. With `beside`, its second argument.
    beside: finds in `Seen` what is enlarged beside the logits, [B, h, w, E].
    region: turns predicted classes [B, H, W] and the scores of pixels
      [B, H, W] into the final scores, with `num_classes`; None: they are.
    compares: whether it needs `Seen.before`.
  """

  pixel: Callable[..., jax.Array]
  beside: Callable[[Seen], jax.Array] | None = None
  region: Callable[..., jax.Array] | None = None
  compares: bool = False


class Maps(NamedTuple):
  """Predicted class and score of every pixel."""

  labels: jax.Array  # [B, H, W] uint8, the likeliest class
  scores: jax.Array  # [B, H, W] float32


def maps(score: str, seen: Seen, size: tuple[int, int]) -> Maps:
  """Labels and scores at `size` (H, W), computed by bands (`map_bilinear`).

  `score` is one of `SCORES`.
  """
  how, classes = SCORES[score], seen.logits.shape[-1]
  small = [seen.logits]
  if how.beside:
    small.append(how.beside(seen).astype(seen.logits.dtype))

  def of_pixels(enlarged: jax.Array) -> Maps:
    logits, beside = jnp.split(enlarged, [classes], axis=-2)
    labels = jnp.argmax(logits, axis=-2).astype(jnp.uint8)
    others = (beside,) if how.beside else ()
    return Maps(labels, how.pixel(logits, *others, axis=-2))

  found = upsample.map_bilinear(of_pixels, jnp.concatenate(small, -1), size)
  if not how.region:
    return found
  return found._replace(scores=how.region(*found, num_classes=classes))


def maps_of(
  score: str, given: jax.Array, num_classes: int, *, of_labels: bool
) -> Maps:
  """`maps` of predictions that have the images' size, [B, H, W, D].

  They are logits or, if `of_labels`, a class and an uncertainty, which stands
  for the entropy; `score` is then one `of_entropy`.
  """
  if not of_labels:
    return maps(score, Seen(given), (given.shape[1], given.shape[2]))
  labels, unsure = given[..., 0].astype(jnp.uint8), given[..., 1]
  region = SCORES[score].region
  if region:
    unsure = region(labels, unsure, num_classes=num_classes)
  return Maps(labels, unsure)


def of_entropy(score: str) -> bool:
  """Whether a score, or 'random', needs no more of a pixel than its entropy."""
  how = SCORES[with_map(score, before=False)]
  return how.pixel is entropy and not how.beside


def compares(score: str) -> bool:
  """Whether a score, or 'random', needs the model before the asking one."""
  return score != 'random' and SCORES[score].compares


def with_map(score: str, *, before: bool) -> str:
  """The score, or 'entropy' where it has no map.

  'random' has none, and what compares models has none without one `before`.
  """
  if score == 'random' or (compares(score) and not before):
    return 'entropy'
  return score


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

  As RIPU's score of regions (Xie et al., CVPR 2022), but for its radius: a
  region extends H // 16 pixels to every side.

  `labels` [B, H, W] are predicted classes, `unsure` [B, H, W] the predictive
  entropy over log C. Returns [B, H, W] float32; 0 where a region has one class
  or is certain.
  """
  radius = max(1, labels.shape[1] // _REGIONS)
  uncertainty = _box_mean(unsure, radius)
  return impurity(labels, radius, num_classes) * uncertainty


def ripu(
  labels: jax.Array, unsure: jax.Array, *, num_classes: int
) -> jax.Array:
  """RIPU's score of pixels: class impurity around a pixel times its entropy.

  (Xie et al., CVPR 2022, PA.) Unlike in `region_impurity`, the entropy is the
  pixel's own. The published code divides neither factor by log C, which changes
  no order, and takes the logarithms of p + 1e-6, which changes scores by less
  than 2e-5.

  Arguments and result as for `region_impurity`; the radius is `ripu_radius`.
  """
  radius = ripu_radius(labels.shape[1])
  return impurity(labels, radius, num_classes) * unsure


def ripu_radius(height: int) -> int:
  """Pixels from a pixel to the edge of its square, in images so high."""
  return max(1, height // _SPACINGS)


def impurity(labels: jax.Array, radius: int, num_classes: int) -> jax.Array:
  """Entropy over log C of the shares of classes around each pixel.

  A square extends `radius` pixels to every side, cropped to the image.
  `labels` [B, H, W] are below `num_classes`; returns [B, H, W] float32.
  """

  def add(nats: jax.Array, label: jax.Array) -> tuple[jax.Array, None]:
    shares = _box_mean((labels == label).astype(jnp.float32), radius)
    # 0 log 0 = 0.
    logs = jnp.log(jnp.where(shares > 0, shares, 1.0))
    return nats - shares * logs, None

  # Class by class: maps of all classes would need much memory.
  nats, _ = jax.lax.scan(
    add, jnp.zeros(labels.shape, jnp.float32), jnp.arange(num_classes)
  )
  return nats / math.log(num_classes)


def disagreement(
  logits: jax.Array, before: jax.Array, axis: int = -1
) -> jax.Array:
  """Jensen-Shannon divergence over log 2 of two models' predictions.

  The mean KL divergence to their mean: query by committee as McCallum and
  Nigam (ICML 1998) measure it, of this round's and the last one's asking model.
  """
  logs = [
    jax.nn.log_softmax(x.astype(jnp.float32), axis) for x in (logits, before)
  ]
  mean = jnp.logaddexp(*logs) - math.log(2)
  nats = sum(jnp.sum(jnp.exp(x) * (x - mean), axis) for x in logs) / 2
  return jnp.maximum(nats, 0.0) / math.log(2)


def _of_the_model_before(seen: Seen) -> jax.Array:
  if seen.before is None:
    raise ValueError('there is no model before this one; see `with_map`')
  return seen.before


SCORES = {
  'entropy': Score(entropy),
  'margin': Score(margin),
  'least_confidence': Score(least_confidence),
  'region_impurity': Score(entropy, region=region_impurity),
  'ripu': Score(entropy, region=ripu),
  'disagreement': Score(
    disagreement, beside=_of_the_model_before, compares=True
  ),
}


def _box_mean(x: jax.Array, radius: int) -> jax.Array:
  """Mean of x >= 0, [B, H, W], over squares cropped to the image."""
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
  # Dividing last keeps sums of zeros and ones exact.
  return jnp.maximum(x, 0.0) / pixels
