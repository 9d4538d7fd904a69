"""The contract of an adaptation method.

A method is one small frozen dataclass. It says which heads of the segmenter
have an opponent, what the segmenter minimises on the target's outputs beside
the source's cross entropy, and what each opponent minimises. Stage 1 and
stage 3 run the same step with it (`training/step.py`).
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import jax

from pointsup_jax.types import Metrics, Outputs

# (head, maps [B, H, W, C]) -> logits [B, h, w, 1] of that head's opponent.
Judge = Callable[[str, jax.Array], jax.Array]


class Phase(NamedTuple):
  """One training phase of stage 1."""

  name: str  # its folder below uda/; '' for the last one, uda/ itself
  strategy: str  # a name of `uda.STRATEGIES`
  # From the target's easy images, with pseudo labels, to its hard ones.
  within_target: bool = False


class Strategy(Protocol):
  """What distinguishes one adaptation method from another."""

  @property
  def opponents(self) -> tuple[str, ...]:
    """The heads that have a discriminator, of ('aux', 'main')."""
    ...

  @property
  def uses_target(self) -> bool:
    """Whether the segmenter looks at unlabelled target images at all."""
    ...

  def segmenter_loss(
    self, target: Outputs, judge: Judge
  ) -> tuple[jax.Array, Metrics]:
    """What the segmenter minimises on the target.

    Args:
      target: logits of both heads [B, H, W, C], at the images' size.
      judge: the opponents, frozen.

    Returns:
      The weighted loss, a scalar, and its parts before weighting.
    """
    ...

  def opponent_loss(
    self, head: str, source: jax.Array, target: jax.Array, judge: Judge
  ) -> jax.Array:
    """What the opponent of `head` minimises.

    Args:
      head: 'aux' or 'main'.
      source: the head's logits on the source [B, H, W, C], no gradient.
      target: the head's logits on the target [B, H, W, C], no gradient.
      judge: the opponents; the one of `head` is being trained.
    """
    ...
