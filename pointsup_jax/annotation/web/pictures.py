"""The images that annotators see, encoded for a browser."""

import collections
import io
import threading
from collections.abc import Sequence
from typing import Protocol

from PIL import Image

from pointsup_jax.types import Example

_KEPT = 16  # encoded images


class Images(Protocol):
  """Images by index, as large as a person should see them."""

  @property
  def names(self) -> Sequence[str]:
    """The images' names, in the order of their indices."""

  def __getitem__(self, index: int) -> Example:
    """Loads an image."""


class Pictures:
  """PNG files by number; threads may ask at the same time."""

  def __init__(self, images: Images) -> None:
    """Takes the images; the number of each is its index."""
    self._images = images
    self.number = {name: i for i, name in enumerate(images.names)}
    self._kept: collections.OrderedDict[int, bytes] = collections.OrderedDict()
    self._lock = threading.Lock()

  def png(self, number: int) -> bytes:
    """An image without any loss: a point may lie on any of its pixels.

    Raises:
      KeyError: there is none of this number.
    """
    if not 0 <= number < len(self._images.names):
      raise KeyError(number)
    with self._lock:
      if number in self._kept:
        self._kept.move_to_end(number)
        return self._kept[number]
    stream = io.BytesIO()
    # The lightest compression: the way is short, and somebody waits.
    image = Image.fromarray(self._images[number].image)
    image.save(stream, 'PNG', compress_level=1)
    with self._lock:
      self._kept[number] = stream.getvalue()
      while len(self._kept) > _KEPT:
        self._kept.popitem(last=False)
    return stream.getvalue()
