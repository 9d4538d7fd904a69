"""Overlapping tiles of an image, and one prediction from those of its tiles.

Networks see what is near the edge of a tile with less around it. So tiles
overlap by at least a quarter, and in the mean of their probabilities a tile
counts the less the nearer its edge is: no seams show.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pointsup_jax.prediction import segmenting
from pointsup_jax.prediction.segmenting import Prediction, Size

_OVERLAP = 0.25  # of a tile's side, at least
_PIXELS = 1 << 16  # that are judged at once


class Tile(NamedTuple):
  """Where a tile begins in its image."""

  top: int
  left: int


def places(image: Size, tile: Size) -> list[Tile]:
  """The tiles of (height, width) that cover an image, row by row.

  An image that is no larger than a tile has one, which may reach beyond it.
  """
  rows, columns = map(_starts, image, tile)
  return [Tile(top, left) for top in rows for left in columns]


def _starts(length: int, tile: int) -> list[int]:
  """Evenly spaced; the first tile starts at 0, the last ends with the image."""
  if length <= tile:
    return [0]
  step = max(int(tile * (1 - _OVERLAP)), 1)
  gaps = -(-(length - tile) // step)
  return [round(i * (length - tile) / gaps) for i in range(gaps + 1)]


def cut(image: np.ndarray, tile: Size) -> list[np.ndarray]:
  """The tiles of an image [H, W, 3] in the order of `places`: [*tile, 3] each.

  Beyond an image that is smaller than a tile, its mirror image follows.
  """
  height, width = image.shape[:2]
  beyond = [
    (0, max(x - n, 0)) for x, n in zip(tile, (height, width), strict=True)
  ]
  filled = np.pad(image, (*beyond, (0, 0)), mode='symmetric')
  return [
    filled[top : top + tile[0], left : left + tile[1]]
    for top, left in places((height, width), tile)
  ]


def join(
  probabilities: Iterator[np.ndarray], image: Size, tile: Size
) -> Prediction:
  """The prediction of an image from the probabilities of its tiles.

  Args:
    probabilities: [*tile, C] float32 of each tile, in the order of `places`.
      Only those of two rows of tiles are kept at a time.
    image: its (height, width).
    tile: the (height, width) of every tile.
  """
  height, width = image
  weights = np.multiply.outer(*map(_weights, tile)).astype(np.float32)[
    ..., None
  ]
  labels = np.empty(image, np.uint8)
  unsure = np.empty(image, np.float32)
  rows = [
    (top, [place.left for place in row])
    for top, row in itertools.groupby(
      places(image, tile), lambda place: place.top
    )
  ]
  ends = [top for top, _ in rows[1:]] + [height]
  below: np.ndarray | None = None  # sums that the next row of tiles adds to
  for (top, lefts), end in zip(rows, ends, strict=True):
    band: np.ndarray | None = None
    for left in lefts:
      p = next(probabilities)[: height - top, : width - left]
      if band is None:
        band = np.zeros((len(p), width, p.shape[-1]), np.float32)
        if below is not None:
          band[: len(below)] = below
      band[:, left : left + p.shape[1]] += p * weights[: len(p), : p.shape[1]]
    assert band is not None
    labels[top:end], unsure[top:end] = _judge(band[: end - top])
    below = band[end - top :]
  return Prediction(labels, unsure)


def _weights(side: int) -> np.ndarray:
  """Of each pixel of a tile's side: rising from both ends over the overlap."""
  i = np.arange(side)
  return np.minimum(np.minimum(i, i[::-1]) + 1, max(int(side * _OVERLAP), 1))


def _judge(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Labels and entropy [H, W] of weighted sums of probabilities [H, W, C].

  Compiled once for all sizes.
  """
  flat = sums.reshape(-1, sums.shape[-1])
  parts = (flat[i : i + _PIXELS] for i in range(0, len(flat), _PIXELS))
  judged = [
    _judge_part(
      np.pad(part, ((0, _PIXELS - len(part)), (0, 0)), constant_values=1)
    )
    for part in parts
  ]
  labels, unsure = (
    np.concatenate(found)[: len(flat)].reshape(sums.shape[:2])
    for found in zip(*jax.device_get(judged), strict=True)
  )
  return labels, unsure


@jax.jit
def _judge_part(sums: jax.Array) -> tuple[jax.Array, jax.Array]:
  # Logits are logarithms of probabilities, but for a summand; 0 has none.
  labels, unsure = segmenting.judge(jnp.log(jnp.maximum(sums, 1e-37))[None])
  return labels[0], unsure[0]
