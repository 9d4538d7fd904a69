"""Interface of an adaptation method.

A method is a small frozen dataclass: which heads have a discriminator, the
segmenter's loss on the target (added to the source's cross-entropy), and each
discriminator's loss. Stages 1 and 3 train with it in `training/step.py`.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import jax

from pointsup_jax.types import Metrics, Outputs

# (head, maps [B, H, W, C]) -> logits [B, h, w, 1] of the head's discriminator.
Judge = Callable[[str, jax.Array], jax.Array]


class Part(NamedTuple):
  """One training phase of stage 1."""

  name: str  # its folder below uda/; '' for the last one, uda/ itself
  strategy: str  # a name of `uda.STRATEGIES`
  # Adapts from easy target images, with pseudo labels, to hard ones.
  within_target: bool = False


class Strategy(Protocol):
  """An adaptation method."""

  @property
  def opponents(self) -> tuple[str, ...]:
    """Heads with a discriminator, out of ('aux', 'main')."""
    ...

  @property
  def uses_target(self) -> bool:
    """Whether the segmenter sees unlabelled target images."""
    ...

  def segmenter_loss(
    self, target: Outputs, judge: Judge
  ) -> tuple[jax.Array, Metrics]:
    """The segmenter's weighted loss on the target, and its unweighted parts.

    `target` is the logits of both heads [B, H, W, C], at the images' size;
    `judge` is the discriminators, frozen.
    """
    ...

  def opponent_loss(
    self, head: str, source: jax.Array, target: jax.Array, judge: Judge
  ) -> jax.Array:
    """Loss of the discriminator of `head`, 'aux' or 'main'.

    `source` and `target` are the head's logits [B, H, W, C], without gradient;
    `judge` is the discriminators, of which `head`'s is trained.
    """
    ...
