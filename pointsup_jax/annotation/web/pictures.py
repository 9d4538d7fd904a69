"""Encodes the images that annotators see for a browser."""

import collections
import io
import threading

import numpy as np
from PIL import Image

from pointsup_jax.data import sources

_KEPT = 16  # encoded images


class Pictures:
  """PNG files by number, cached; safe to use from several threads."""

  def __init__(self, images: sources.Source) -> None:
    """Wraps the images; an image's number is its index."""
    self._images = images
    self.number = {name: i for i, name in enumerate(images.names)}
    self._kept: collections.OrderedDict[int, bytes] = collections.OrderedDict()
    self._lock = threading.Lock()

  def name(self, number: int) -> str:
    """Returns an image's name; raises ValueError if there is no such image."""
    if not 0 <= number < len(self._images.names):
      raise ValueError(f'there is no image {number}')
    return self._images.names[number]

  def pixels(self, number: int) -> np.ndarray:
    """Returns an image: [H, W, 3] uint8; KeyError if there is no such image."""
    if not 0 <= number < len(self._images.names):
      raise KeyError(number)
    return self._images[number].image

  def png(self, number: int) -> bytes:
    """Returns a lossless PNG; raises KeyError if there is no such image."""
    with self._lock:
      if number in self._kept:
        self._kept.move_to_end(number)
        return self._kept[number]
    stream = io.BytesIO()
    # Lossless, as points are single pixels; fast, as an annotator waits.
    image = Image.fromarray(self.pixels(number))
    image.save(stream, 'PNG', compress_level=1)
    with self._lock:
      self._kept[number] = stream.getvalue()
      while len(self._kept) > _KEPT:
        self._kept.popitem(last=False)
    return stream.getvalue()
