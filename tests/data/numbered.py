import threading

import numpy as np

from pointsup_jax.types import Example


class Numbered:
  """Image i has colour i and labels i + 50; records its reads."""

  def __init__(self, length: int, shapes=None, broken=None):
    """By index: `shapes` of some, `broken`: errors of first reads."""
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
