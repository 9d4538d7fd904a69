"""Modules and optimisers of a training phase, and its initial state."""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import optax
from flax import struct

from pointsup_jax.models import deeplab, upsample
from pointsup_jax.training import augmentation, optimizers
from pointsup_jax.types import Batch, Outputs, Variables
from pointsup_jax.uda import strategy as strategy_lib
from pointsup_jax.uda.scene import Seen


class Opponent(struct.PyTreeNode):
  """A network beside the segmenter: a discriminator, mostly."""

  params: dict  # the variables of a copy of the segmenter
  opt_state: optax.OptState  # () of what no move trains


class State(struct.PyTreeNode):
  """Everything a training phase carries from step to step; arrays only."""

  step: jax.Array  # steps done
  segmenter: Variables  # params, batch_stats
  opt_state: optax.OptState  # the segmenter's
  opponents: dict[str, Opponent]  # the strategy's players, by name


@dataclasses.dataclass(frozen=True)
class Learner:
  """The constants of a training phase.

  Attributes:
    segmenter: the network.
    sizes: what players are built from.
    target_statistics: only the target updates the running statistics.
    segmenter_tx: the segmenter's optimiser.
    optimizers: those of players, by name.
    seed: of the moves' random keys.
    augmentations: random changes of images by domain, of those that change.
  """

  segmenter: deeplab.DeepLabV2
  sizes: strategy_lib.Sizes
  target_statistics: bool
  segmenter_tx: optax.GradientTransformationExtraArgs
  optimizers: Mapping[str, optax.GradientTransformationExtraArgs]
  seed: int = 0
  augmentations: Mapping[str, augmentation.Augmentation] = dataclasses.field(
    default_factory=dict
  )

  def init_segmenter(self, key: jax.Array) -> Variables:
    """Initialises the segmenter's variables."""
    return deeplab.init(self.segmenter, key)

  def init(
    self,
    key: jax.Array,
    segmenter: Variables,
    players: strategy_lib.Players,
    weights: Variables | None = None,
  ) -> State:
    """The state at step 0: the given segmenter, fresh players.

    Copies of 'weights' are of these; None: the segmenter starts from them.
    """
    opponents = {}
    for number, (name, player) in enumerate(players.items()):
      if isinstance(player, strategy_lib.Copy):
        start = segmenter
        if player.of == 'weights' and weights is not None:
          start = weights
        opponents[name] = Opponent(jax.tree.map(jnp.copy, start), ())
        continue
      inputs = map(jnp.zeros, player.inputs(self.sizes))
      module = player.build(self.sizes)
      params = module.init(jax.random.fold_in(key, number), *inputs)['params']
      optimizer = self.optimizers[player.optimizer]
      opt_state = () if player.weights else optimizer.init(params)
      opponents[name] = Opponent(params, opt_state)
    return State(
      step=jnp.zeros((), jnp.int32),
      segmenter=segmenter,
      opt_state=self.segmenter_tx.init(segmenter['params']),
      opponents=opponents,
    )

  def see(
    self, variables: Variables, batch: Batch, key: jax.Array | None = None
  ) -> tuple[Seen, dict]:
    """A training-mode pass; also returns the updated batch statistics.

    With a key, networks that have it leave out parts at random.
    """
    small, updated = self.segmenter.apply(  # type: ignore[misc]
      variables,
      self.segmenter.preprocess(batch.images),
      train=True,
      mutable=['batch_stats', 'taps'],
      rngs={} if key is None else {'dropout': key},
    )
    size = (batch.images.shape[1], batch.images.shape[2])
    logits = Outputs(*(upsample.bilinear(x, size) for x in small))
    seen = Seen(batch, small, logits, updated['taps'])
    return seen, updated['batch_stats']


def part(segmenter_params: dict, name: str) -> dict:
  """The modules of the 'backbone' or of the 'heads'."""
  heads = name == 'heads'
  return {
    module: params
    for module, params in segmenter_params.items()
    if (module in optimizers.HEADS) == heads
  }
