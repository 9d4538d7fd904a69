"""What the loss of a move may look at."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax

from pointsup_jax.types import Batch, Outputs


class Seen(NamedTuple):
  """A training-mode pass of the segmenter over a batch.

  What no loss reads costs nothing under jit.
  """

  batch: Batch
  small: Outputs  # [B, h, w, C], stride 8; 4 of SegFormer
  logits: Outputs  # [B, H, W, C], at the images' size
  # [B, h, w, D] of 'stem', 'conv2' to 'conv5', and with a depth branch 'depth'.
  taps: Mapping[str, jax.Array]


class Scene(NamedTuple):
  """All that a loss may look at.

  Attributes:
    seen: passes by name: 'source', 'target', and those of the views.
    ask: ask(player, *inputs) is the output of a player's network.
    look: look(copy, batch) is a pass of a copy of the segmenter.
    params: parameters of the 'backbone', the 'heads', and of each player.
    step: steps done, int32 scalar.
    key: of this move in this step.
  """

  seen: Mapping[str, Seen]
  ask: Callable[..., Any]
  look: Callable[[str, Batch], Seen]
  params: Mapping[str, Any]
  step: jax.Array
  key: jax.Array

  @property
  def source(self) -> Seen:
    """The pass over the source."""
    return self.seen['source']

  @property
  def target(self) -> Seen:
    """The pass over the target."""
    return self.seen['target']
