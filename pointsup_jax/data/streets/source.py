"""Procedural street scenes as a random-access source."""

from pointsup_jax import errors
from pointsup_jax.data.streets import looks, scenes
from pointsup_jax.types import Example

SMALLEST = (32, 64)


class Streets:
  """Street scenes with the 19 classes of Cityscapes, rendered on access."""

  def __init__(
    self,
    look: str,
    split: str,
    length: int,
    size: tuple[int, int],
    seed: int = 0,
    *,
    depth: bool = False,
  ) -> None:
    """Defines `length` scenes; `size` is (height, width), at least 32 x 64."""
    if look not in looks.LOOKS:
      raise errors.UsageError(
        f'Streets has no look {look!r}; it is one of {", ".join(looks.LOOKS)}'
      )
    if split not in ('train', 'val', 'test'):
      raise errors.UsageError(
        f'Streets has no split {split!r}; it is one of train, val, test'
      )
    if length < 1:
      raise errors.UsageError(f'Streets needs at least 1 scene, not {length}')
    if size[0] < SMALLEST[0] or size[1] < SMALLEST[1]:
      raise errors.UsageError(
        f'Streets cannot be drawn at {size[1]}x{size[0]}; the smallest size is '
        f'{SMALLEST[1]}x{SMALLEST[0]}'
      )
    self._look, self._split, self._size, self._seed = look, split, size, seed
    self._depth = depth
    self.names = tuple(f'{look}_{split}_{i:05}' for i in range(length))

  def __len__(self) -> int:
    return len(self.names)

  def __getitem__(self, index: int) -> Example:
    name = self.names[index]
    image, canvas = scenes.draw(
      self._look, self._split, index % len(self), self._seed, self._size
    )
    depth = scenes.centimetres(canvas) if self._depth else None
    return Example(name, image, canvas.labels, depth=depth)
