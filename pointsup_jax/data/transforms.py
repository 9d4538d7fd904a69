"""Resizing on the host, with Pillow."""

import numpy as np
from PIL import Image


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
  """Resizes [H, W, 3] uint8 to (height, width), bicubic with antialiasing.

  Returns `image` itself if it has that size.
  """
  return _resize(image, size, Image.Resampling.BICUBIC)


def resize_labels(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
  """Resizes [H, W] uint8 or uint16 to (height, width), nearest neighbour.

  Of labels or depth. Returns `labels` itself if it has that size.
  """
  return _resize(labels, size, Image.Resampling.NEAREST)


def _resize(
  pixels: np.ndarray, size: tuple[int, int], resampling: Image.Resampling
) -> np.ndarray:
  if pixels.shape[:2] == tuple(size):
    return pixels
  height, width = size
  resized = Image.fromarray(pixels).resize((width, height), resampling)
  return np.asarray(resized)


def resize_maps(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
  """Resizes [h, w, D] floats to (height, width), bilinear, corners aligned.

  As `models.upsample.bilinear` does on devices. Returns `maps` itself if it has
  that size.
  """
  for axis, new in enumerate(size):
    old = maps.shape[axis]
    if old == new:
      continue
    steps = max(new - 1, 1)
    places = np.arange(new) * (old - 1)
    below = places // steps
    share = np.expand_dims(places % steps / steps, (1, 2)).swapaxes(0, axis)
    first = maps.take(below, axis)
    second = maps.take(np.minimum(below + 1, old - 1), axis)
    maps = first + share.astype(maps.dtype) * (second - first)
  return maps
