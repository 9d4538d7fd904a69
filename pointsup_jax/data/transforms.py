"""Resizing on the host, with Pillow."""

import numpy as np
from PIL import Image


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
  """Resizes an image, bicubic with antialiasing.

  Args:
    image: [H, W, 3] uint8.
    size: (height, width) in pixels.

  Returns:
    [height, width, 3] uint8; the image itself where it has that size already.
  """
  return _resize(image, size, Image.Resampling.BICUBIC)


def resize_labels(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
  """Resizes labels, nearest: every id of the result is one of the input.

  Args:
    labels: [H, W] uint8.
    size: (height, width) in pixels.

  Returns:
    [height, width] uint8; the labels themselves where they have that size.
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
