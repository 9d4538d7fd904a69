"""What a model says of images of any size."""

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

# Chosen on the validation scenes of Streets (docs/RESULTS.md), where a scale of
# 0.75 costs more than it gives.
TTA_SCALES = (1.0, 1.25)
_STRIDE = 8  # of the network
# Logits are enlarged in tiles of this size, whatever the size of the image: one
# program serves all sizes, and no photograph fills the memory.
_TILE = (128, 256)


class View(NamedTuple):
  """One way in which the network is shown an image."""

  size: Size
  flipped: bool  # left and right exchanged


class Prediction(NamedTuple):
  """What is said of one image."""

  labels: np.ndarray  # [H, W] uint8, train ids
  entropy: np.ndarray  # [H, W] float32, 0 (certain) to 1 (uniform)


def plain(size: Size) -> tuple[View, ...]:
  """The one view of evaluation."""
  return (View(size, flipped=False),)


def augmented(size: Size) -> tuple[View, ...]:
  """Views at several scales, each also flipped, for test-time augmentation.

  Sizes other than the given one are rounded to multiples of the network's
  stride.
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
  """An image [H, W, 3] uint8 at each size of some views, resized on the host.

  The shape of the image does not count: a tall one is stretched.
  """
  return {
    view.size: transforms.resize_image(image, view.size) for view in views
  }


class Segmenter:
  """A network with its variables on the devices."""

  def __init__(
    self,
    segmenter: deeplab.DeepLabV2,
    variables: Variables,
    views: tuple[View, ...],
    devices: jax.sharding.Sharding,
  ) -> None:
    """Takes a trained network.

    Args:
      segmenter: the network.
      variables: its params and batch_stats.
      views: how it is shown an image; the probabilities are averaged.
      devices: which of them get which images of a batch.
    """
    self._views, self._variables, self._devices = views, variables, devices
    self._small = jax.jit(functools.partial(inference.small_logits, segmenter))

  def small_logits(
    self, images: dict[Size, np.ndarray]
  ) -> list[tuple[np.ndarray, ...]]:
    """Runs the network, compiled once for every size of a view.

    Args:
      images: [B, *size, 3] uint8 by size, as of `as_seen`.

    Returns:
      For each image, the logits [h, w, C] of each view.
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
    """What the views of an image say together, at a size of any kind.

    Compiled once for all sizes; on a single view the labels are those of
    evaluation.

    Args:
      small_logits: [h, w, C] of each view.
      size: height and width of the result.
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
  """Rows of a matrix [new, old] in equal parts: [T, tile, old] float32.

  The last one ends with zeros.
  """
  new, old = weights.shape
  filled = np.pad(weights, ((0, -new % tile), (0, 0)))
  return filled.astype(np.float32).reshape(-1, tile, old)


@jax.jit
def _judge(
  small_logits: tuple[Array, ...],
  rows: tuple[Array, ...],
  columns: tuple[Array, ...],
) -> tuple[jax.Array, jax.Array]:
  """Labels and entropy [H, W] of logits [h, w, C], by [H, h] and [W, w]."""
  logits = combine(
    [
      upsample.interpolate(jnp.asarray(x)[None], jnp.asarray(r), jnp.asarray(c))
      for x, r, c in zip(small_logits, rows, columns, strict=True)
    ]
  )
  labels, unsure = judge(logits)
  return labels[0], unsure[0]


def combine(logits: Sequence[jax.Array]) -> jax.Array:
  """Logits whose softmax is the mean of the views' ones.

  Args:
    logits: [B, H, W, C] of each view. Those of a single one stay as they are.
  """
  if len(logits) == 1:
    return logits[0]
  log_p = jnp.stack([jax.nn.log_softmax(x) for x in logits])
  return jax.nn.logsumexp(log_p, axis=0)


def judge(logits: jax.Array) -> tuple[jax.Array, jax.Array]:
  """Labels [B, H, W] uint8 and entropy [B, H, W] of logits [B, H, W, C]."""
  labels = jnp.argmax(logits, -1).astype(jnp.uint8)
  return labels, entropy.entropy(logits)
