"""Modules and optimisers of a training phase, and its initial state."""

import dataclasses

import jax
import jax.numpy as jnp
import optax
from flax import struct

from pointsup_jax.models import deeplab, discriminator, upsample
from pointsup_jax.types import Array, Outputs, Variables
from pointsup_jax.uda import strategy


class Opponent(struct.PyTreeNode):
  """The discriminator of one head."""

  params: dict
  opt_state: optax.OptState


class State(struct.PyTreeNode):
  """Everything a training phase carries from step to step; arrays only."""

  step: jax.Array  # steps done
  segmenter: Variables  # params, batch_stats
  opt_state: optax.OptState  # the segmenter's
  opponents: dict[str, Opponent]  # by head


@dataclasses.dataclass(frozen=True)
class Learner:
  """The constants of a training phase."""

  segmenter: deeplab.DeepLabV2
  discriminator: discriminator.Discriminator
  num_classes: int
  target_statistics: bool  # only the target updates the running statistics
  segmenter_tx: optax.GradientTransformation
  opponent_tx: optax.GradientTransformation

  def init_segmenter(self, key: jax.Array) -> Variables:
    """Initialises the segmenter's variables."""
    return deeplab.init(self.segmenter, key)

  def init(
    self, key: jax.Array, segmenter: Variables, opponents: tuple[str, ...]
  ) -> State:
    """The state at step 0: the given segmenter, fresh discriminators."""
    maps = jnp.zeros((1, 64, 64, self.num_classes))
    players = {}
    for number, head in enumerate(opponents):
      params = self.discriminator.init(jax.random.fold_in(key, number), maps)
      params = params['params']
      players[head] = Opponent(params, self.opponent_tx.init(params))
    return State(
      step=jnp.zeros((), jnp.int32),
      segmenter=segmenter,
      opt_state=self.segmenter_tx.init(segmenter['params']),
      opponents=players,
    )

  def segment(
    self, params: dict, batch_stats: dict, images: Array
  ) -> tuple[Outputs, dict]:
    """A training-mode pass over uint8 RGB images [B, H, W, 3].

    Returns both heads' logits [B, H, W, C] and the updated batch statistics.
    """
    outputs, updated = self.segmenter.apply(  # type: ignore[misc]
      {'params': params, 'batch_stats': batch_stats},
      deeplab.preprocess(images),
      train=True,
      mutable=['batch_stats'],
    )
    size = (images.shape[1], images.shape[2])
    return (
      Outputs(*(upsample.bilinear(logits, size) for logits in outputs)),
      updated['batch_stats'],
    )

  def judge(self, params: dict[str, dict]) -> strategy.Judge:
    """The discriminators with these parameters, by head."""

    def judge(head: str, maps: jax.Array) -> jax.Array:
      logits = self.discriminator.apply({'params': params[head]}, maps)
      return jnp.asarray(logits)

    return judge
