"""Segments images of any size, with optional test-time augmentation."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pointsup_jax.data import transforms
from pointsup_jax.evaluation import inference
from pointsup_jax.losses import entropy
from pointsup_jax.models import deeplab, upsample
from pointsup_jax.types import Array, Variables

Size = tuple[int, int]  # height, width

# Chosen on the Streets validation scenes, where 0.75 hurts (docs/RESULTS.md).
TTA_SCALES = (1.0, 1.25)
_STRIDE = 8  # of the network
# Logits are upsampled in tiles of this fixed size: one compiled program serves
# all image sizes, and memory use is bounded.
_TILE = (128, 256)


class View(NamedTuple):
  """The size and orientation in which the network sees an image."""

  size: Size
  flipped: bool  # left-right


class Prediction(NamedTuple):
  """Labels and uncertainty of one image."""

  labels: np.ndarray  # [H, W] uint8, train ids
  entropy: np.ndarray  # [H, W] float32, 0 (certain) to 1 (uniform)


def plain(size: Size) -> tuple[View, ...]:
  """The single view used in evaluation."""
  return (View(size, flipped=False),)


def augmented(size: Size) -> tuple[View, ...]:
  """Test-time augmentation: views at `TTA_SCALES`, plain and flipped.

  Scaled sizes are rounded to multiples of the network's stride.
  """
  sizes = (
    tuple(
      x if scale == 1 else max(round(x * scale / _STRIDE), 1) * _STRIDE
      for x in size
    )
    for scale in TTA_SCALES
  )
  return tuple(
    View((height, width), flipped)
    for height, width in sizes
    for flipped in (False, True)
  )


def as_seen(image: np.ndarray, views: Sequence[View]) -> dict[Size, np.ndarray]:
  """Resizes an image [H, W, 3] uint8 to each view size, on the host.

  The aspect ratio is not kept.
  """
  return {
    view.size: transforms.resize_image(image, view.size) for view in views
  }


class Segmenter:
  """A trained network applied to views of images."""

  def __init__(
    self,
    segmenter: deeplab.DeepLabV2,
    variables: Variables,
    views: tuple[View, ...],
    devices: jax.sharding.Sharding,
  ) -> None:
    """Averages the probabilities of `views`; `devices` shards the batch."""
    self._views, self._variables, self._devices = views, variables, devices
    self._small = jax.jit(functools.partial(inference.small_logits, segmenter))

  def small_logits(
    self, images: dict[Size, np.ndarray]
  ) -> list[tuple[np.ndarray, ...]]:
    """Runs the network, compiled once per view size.

    Takes size -> [B, *size, 3] uint8, stacked from `as_seen`. Returns, for each
    image, the logits [h, w, C] of each view.
    """
    of_view = []
    for view in self._views:
      seen = images[view.size]
      if view.flipped:
        seen = seen[:, :, ::-1]
      logits = self._small(self._variables, jax.device_put(seen, self._devices))
      of_view.append(np.asarray(logits))
    return list(zip(*of_view, strict=True))

  def enlarge(
    self, small_logits: Sequence[np.ndarray], size: Size
  ) -> Prediction:
    """Combines an image's views into a prediction of any size (H, W).

    Compiled once for all sizes. With a single view, the labels equal those of
    evaluation. `small_logits` are [h, w, C] for each view.
    """
    height, width = size
    rows, columns = [], []
    for view, logits in zip(self._views, small_logits, strict=True):
      rows.append(_tiles(upsample.weights(logits.shape[0], height), _TILE[0]))
      of_columns = upsample.weights(logits.shape[1], width)
      columns.append(
        _tiles(of_columns[:, ::-1] if view.flipped else of_columns, _TILE[1])
      )
    logits = jax.device_put(tuple(small_logits))
    tiles = [
      [_judge(logits, r, c) for c in zip(*columns, strict=True)]
      for r in zip(*rows, strict=True)
    ]
    tiles = jax.device_get(tiles)
    labels, unsure = (
      np.block([[tile[i] for tile in line] for line in tiles])[:height, :width]
      for i in range(2)
    )
    return Prediction(labels, unsure)


def _tiles(weights: np.ndarray, tile: int) -> np.ndarray:
  """Splits a matrix [new, old] into [T, tile, old] float32, zero-padded."""
  new, old = weights.shape
  filled = np.pad(weights, ((0, -new % tile), (0, 0)))
  return filled.astype(np.float32).reshape(-1, tile, old)


@jax.jit
def _judge(
  small_logits: tuple[Array, ...],
  rows: tuple[Array, ...],
  columns: tuple[Array, ...],
) -> tuple[jax.Array, jax.Array]:
  """`judge` of combined logits [h, w, C], upsampled by [H, h] and [W, w]."""
  logits = combine(
    [
      upsample.interpolate(jnp.asarray(x)[None], jnp.asarray(r), jnp.asarray(c))
      for x, r, c in zip(small_logits, rows, columns, strict=True)
    ]
  )
  labels, unsure = judge(logits)
  return labels[0], unsure[0]


def combine(logits: Sequence[jax.Array]) -> jax.Array:
  """Logits whose softmax is the mean of the views' softmaxes.

  All are [B, H, W, C]; a single view is returned unchanged.
  """
  if len(logits) == 1:
    return logits[0]
  log_p = jnp.stack([jax.nn.log_softmax(x) for x in logits])
  return jax.nn.logsumexp(log_p, axis=0)


def judge(logits: jax.Array) -> tuple[jax.Array, jax.Array]:
  """Labels uint8 and entropy, [B, H, W] each, of logits [B, H, W, C]."""
  labels = jnp.argmax(logits, -1).astype(jnp.uint8)
  return labels, entropy.entropy(logits)
