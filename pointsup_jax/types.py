"""Shared types, and the legend of axis letters.

B  images in a batch          C  classes
H, W  height and width in pixels of the network's input
h, w  height and width of the network's output (stride 8; 4 of SegFormer), or of
      features
R, G  rows and columns of the patch grid, P = R * G patches
K  patches selected per image, N  points drawn per patch
Q  points asked per image
"""

from typing import NamedTuple, TypeAlias

import jax
import numpy as np

Array: TypeAlias = jax.Array | np.ndarray
Metrics: TypeAlias = dict[str, jax.Array]
Variables: TypeAlias = dict  # {'params': ..., 'batch_stats': ...}

IGNORE = 255  # label of pixels that losses and scores ignore


class Example(NamedTuple):
  """One image of a data source, on the host."""

  name: str  # unique within its source; names files and seeds randomness
  image: np.ndarray  # [H, W, 3] uint8, RGB
  labels: np.ndarray  # [H, W] uint8, train ids, 255 = ignore
  # [H, W] bool, people's labels; None: none of the labels is a pseudo label.
  answered: np.ndarray | None = None
  depth: np.ndarray | None = None  # [H, W] uint16, centimetres, 65535 = far


class Batch(NamedTuple):
  """Images of one domain."""

  # [B, H, W, 3] uint8, RGB; of floats, if made within a step: see
  # `models.resnet.preprocess`.
  images: Array
  labels: Array  # [B, H, W] uint8, train ids, 255 = ignore
  # [B, H, W] bool, people's labels; None: none of the labels is a pseudo label.
  answered: Array | None = None
  depth: Array | None = None  # [B, H, W] uint16, centimetres, 65535 = far
  weights: Array | None = None  # [B, H, W] float32, of the labels of a view
  ids: Array | None = None  # [B] uint32, by name; seed random changes


class Pair(NamedTuple):
  """Input of one training step; the domains may differ in size."""

  source: Batch
  target: Batch


class Outputs(NamedTuple):
  """Logits of the segmenter's two heads, or maps derived from them."""

  aux: jax.Array  # [B, h, w, C], from conv4
  main: jax.Array  # [B, h, w, C], from conv5
