"""The few types that everything shares, and the legend of axis letters.

B  images in a batch          C  classes
H, W  height and width in pixels, at the size the network is fed
h, w  height and width of the network's own output (stride 8)
R, G  rows and columns of the patch grid, P = R * G patches
K  patches selected in an image, N  points drawn in a patch
"""

from typing import NamedTuple, TypeAlias

import jax
import numpy as np

Array: TypeAlias = jax.Array | np.ndarray
Metrics: TypeAlias = dict[str, jax.Array]
Variables: TypeAlias = dict  # {'params': ..., 'batch_stats': ...}

IGNORE = 255  # the label of pixels that no loss and no score counts


class Example(NamedTuple):
  """One image of a data source, on the host."""

  name: str  # unique within its source; names files and seeds randomness
  image: np.ndarray  # [H, W, 3] uint8, RGB
  labels: np.ndarray  # [H, W] uint8, train ids, 255 = ignore
  # [H, W] bool, the labels that people gave; None: nothing here is a guess.
  answered: np.ndarray | None = None


class Batch(NamedTuple):
  """Images of one domain."""

  images: Array  # [B, H, W, 3] uint8, RGB
  labels: Array  # [B, H, W] uint8, train ids, 255 = ignore
  # [B, H, W] bool, the labels that people gave; None: nothing here is a guess.
  answered: Array | None = None


class Pair(NamedTuple):
  """What one training step sees; the domains may differ in size."""

  source: Batch
  target: Batch


class Outputs(NamedTuple):
  """The two heads of the segmenter; logits or something made of them."""

  aux: jax.Array  # [B, h, w, C], from conv4
  main: jax.Array  # [B, h, w, C], from conv5
