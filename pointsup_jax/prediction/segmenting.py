"""Segments images of any size, with optional test-time augmentation."""

import functools
from collections.abc import Iterator, Sequence
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
# Logits are upsampled in blocks of this fixed size: one compiled program serves
# all image sizes, and memory use is bounded.
_BLOCK = (128, 256)


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
    rows, columns = self._weights(small_logits, size)
    logits = jax.device_put(tuple(small_logits))
    blocks = [
      [_judge(logits, r, c) for c in _blocks(columns, _BLOCK[1])]
      for r in _blocks(rows, _BLOCK[0])
    ]
    blocks = jax.device_get(blocks)
    labels, unsure = (
      np.block([[block[i] for block in line] for line in blocks])
      for i in range(2)
    )
    return Prediction(labels[:height, :width], unsure[:height, :width])

  def probabilities(
    self, small_logits: Sequence[np.ndarray], size: Size
  ) -> np.ndarray:
    """Like `enlarge`, but [H, W, C] float32; compiled for each size."""
    rows, columns = self._weights(small_logits, size)
    return np.asarray(_probabilities(tuple(small_logits), rows, columns))

  def _weights(
    self, small_logits: Sequence[np.ndarray], size: Size
  ) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """For each view, the matrices that enlarge: [H, h] and [W, w] float32."""
    rows, columns = [], []
    for view, logits in zip(self._views, small_logits, strict=True):
      rows.append(upsample.weights(logits.shape[0], size[0]))
      of_columns = upsample.weights(logits.shape[1], size[1])
      columns.append(of_columns[:, ::-1] if view.flipped else of_columns)
    return _float32(rows), _float32(columns)


def _float32(arrays: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
  return tuple(array.astype(np.float32) for array in arrays)


def _blocks(
  weights: Sequence[np.ndarray], block: int
) -> Iterator[tuple[np.ndarray, ...]]:
  """Splits each view's [new, old] into parts [block, old], zero-padded."""
  parts = []
  for matrix in weights:
    new, old = matrix.shape
    filled = np.pad(matrix, ((0, -new % block), (0, 0)))
    parts.append(filled.reshape(-1, block, old))
  return zip(*parts, strict=True)


@jax.jit
def _judge(
  small_logits: tuple[Array, ...],
  rows: tuple[Array, ...],
  columns: tuple[Array, ...],
) -> tuple[jax.Array, jax.Array]:
  """`judge` of combined logits [h, w, C], upsampled by [H, h] and [W, w]."""
  labels, unsure = judge(_combined(small_logits, rows, columns))
  return labels[0], unsure[0]


@jax.jit
def _probabilities(
  small_logits: tuple[Array, ...],
  rows: tuple[Array, ...],
  columns: tuple[Array, ...],
) -> jax.Array:
  """Of combined logits [h, w, C], upsampled by [H, h] and [W, w]."""
  return jax.nn.softmax(_combined(small_logits, rows, columns))[0]


def _combined(
  small_logits: tuple[Array, ...],
  rows: tuple[Array, ...],
  columns: tuple[Array, ...],
) -> jax.Array:
  return combine(
    [
      upsample.interpolate(jnp.asarray(x)[None], jnp.asarray(r), jnp.asarray(c))
      for x, r, c in zip(small_logits, rows, columns, strict=True)
    ]
  )


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
