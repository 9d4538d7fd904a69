"""The contract of an adaptation method: players and moves.

A method names the networks that it trains beside the segmenter (players), and
the moves of a training step: whose parameters a move changes, which domains it
looks at, and a loss, a pure function of the scene. `training/step.py` owns the
forward passes, gradients, optimisers, statistics and random keys. What a move
does not name is constant to it, so a loss needs no `stop_gradient`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.typing import DTypeLike

from pointsup_jax.losses import segmentation
from pointsup_jax.types import Array, Batch, Metrics, Outputs
from pointsup_jax.uda.scene import Scene


class Sizes(NamedTuple):
  """What players are built from."""

  num_classes: int
  stem: int  # channels of the segmenter's taps
  conv4: int
  conv5: int
  width: int  # channels of a discriminator's first layer
  products: DTypeLike = jnp.float32  # see `models.precision`


class Player(NamedTuple):
  """A network trained beside the segmenter.

  Attributes:
    build: makes the module.
    inputs: shapes of the module's inputs, any batch and size.
    optimizer: a name of `Learner.optimizers`.
    weights: reads its parameters, if they are given and no move trains it.
  """

  build: Callable[[Sizes], nn.Module]
  inputs: Callable[[Sizes], tuple[tuple[int, ...], ...]]
  optimizer: str = 'opponent'
  weights: Callable[[], dict] | None = None


class Copy(NamedTuple):
  """A copy of the segmenter that no move trains.

  Attributes:
    follows: None: stays as it is. Otherwise the decay a of the segmenter's
      average: after each step, t <- a t + (1 - a) s for the parameters, with
      a = min(1 - 1 / (step + 1), follows); statistics are copied, since they
      are averages already.
    of: 'start': the segmenter of step 0; 'weights': that of the weight file,
      whatever network the phase starts from.
  """

  follows: float | None = None
  of: str = 'start'


Players: TypeAlias = Mapping[str, Player | Copy]
# (logits [B, H, W, C], labels [B, H, W]) -> losses [B, H, W].
PixelLosses: TypeAlias = Callable[[jax.Array, Array], jax.Array]


class Move(NamedTuple):
  """One part of a training step.

  Attributes:
    parts: what it changes: 'backbone', 'heads', names of players.
    loss: returns the loss, a scalar, and what is logged.
    looks_at: domains to pass through the segmenter, in this order.
    supervised: adds the cross-entropies of the source's labels and, in stage 3,
      of the target's.
    fresh: passes the images through the segmenter as it is now. False: looks
      at the passes of the move before; if it changes the segmenter, then
      through them.
    turns: how often it is made in a step.
    every: it is made in steps that this number divides.
  """

  parts: tuple[str, ...]
  loss: Callable[[Scene], tuple[jax.Array, Metrics]]
  looks_at: tuple[str, ...] = ('source', 'target')
  supervised: bool = False
  fresh: bool = True
  turns: int = 1
  every: int = 1


SEGMENTER = ('backbone', 'heads')


def _no_views(scene: Scene) -> dict[str, Batch]:
  del scene
  return {}


@dataclasses.dataclass(frozen=True, eq=False)
class Strategy:
  """An adaptation method.

  Attributes:
    moves: of a training step, in order.
    players: networks beside the segmenter, by name.
    views: batches made within the step from the passes over the domains, which
      pass through the segmenter after them; {} by default.
    pixel_losses: (logits, labels) -> losses [B, H, W] of the source's pixels.
    model: fields of config.model that make the method's network.
    needs: what it has no meaning without: 'weights', a weight file; 'depth', of
      the source's images; 'patch_clusters', its `Settings.centres`.
  """

  moves: tuple[Move, ...]
  players: Players = dataclasses.field(default_factory=dict)
  views: Callable[[Scene], dict[str, Batch]] = _no_views
  pixel_losses: PixelLosses = segmentation.pixel_losses
  model: Mapping[str, str | bool] = dataclasses.field(default_factory=dict)
  needs: tuple[str, ...] = ()


class Settings(NamedTuple):
  """What methods take from the config; their own constants are in their files.

  Attributes:
    weights: of the target's loss per head; published: aux 2e-4, main 1e-3.
    steps: of the phase.
    decay_steps: after which all rates are 0.
    warmup_steps: in which all rates rise.
    disagreement: CLAN's weight of pixels on which the heads disagree.
    aux: weight of the aux head's cross-entropy.
    vgg: path of DISE's VGG-19; '' is without.
    centres: of AdaptPatch's clusters [K, 4 C], once they are known.
  """

  weights: Outputs
  steps: int = 1
  decay_steps: int = 1
  warmup_steps: int = 0
  disagreement: float = 0.0
  aux: float = 0.1
  vgg: str = ''
  centres: np.ndarray | None = None


class Part(NamedTuple):
  """One training phase of stage 1."""

  name: str  # its folder below uda/; '' for the last one, uda/ itself
  strategy: str  # a name of `uda.STRATEGIES`
  # Adapts from easy target images, with pseudo labels, to hard ones.
  within_target: bool = False
