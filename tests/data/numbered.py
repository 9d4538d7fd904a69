"""A source of images that tells what was read."""

import threading

import numpy as np

from pointsup_jax.types import Example


class Numbered:
  """Image i is of the colour i, its labels are i + 50; remembers its reads."""

  def __init__(self, length: int, shapes=None, broken=None):
    """Shapes of those that differ; what the first read of others raises."""
    self.names = tuple(f'image {i}' for i in range(length))
    self.reads = []
    self._shapes, self._broken = shapes or {}, dict(broken or {})
    self._lock = threading.Lock()

  def __len__(self):
    return len(self.names)

  def __getitem__(self, index):
    name = self.names[index]
    with self._lock:
      self.reads.append(index)
    if index in self._broken:
      raise self._broken.pop(index)
    shape = self._shapes.get(index, (2, 3))
    return Example(
      name,
      np.full((*shape, 3), index, np.uint8),
      np.full(shape, index + 50, np.uint8),
    )
