"""SegFormer's head (Xie et al., NeurIPS 2021), called all-MLP there."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from pointsup_jax.models import norm
from pointsup_jax.models.convolutions import he_normal

DROPPED_CHANNELS = 0.1  # share of them in a training pass with a key

# Our module names and those of `transformers`, as in `resnet`; it has no head
# like the aux head.
MODULES = tuple(
  (f'{ours}/{part}', f'{theirs}.{name}')
  for ours, theirs in (
    ('main_head', 'decode_head'),
    ('aux_head', 'auxiliary_head'),
  )
  for part, name in (
    ('linear{level}', 'linear_c.{level}.proj'),
    ('fuse', 'linear_fuse'),
    ('bn', 'batch_norm'),
    ('classifier', 'classifier'),
  )
)


class Weights(nn.Module):
  """Parameters of a linear layer, named as a layer's."""

  shape: tuple[int, ...]  # of the kernel
  use_bias: bool = True

  @nn.compact
  def __call__(self) -> tuple[jax.Array, jax.Array]:
    """Returns the kernel and the bias, which is 0 where it is not used."""
    kernel = self.param('kernel', he_normal, self.shape)
    zeros, shape = nn.initializers.zeros, self.shape[-1:]
    bias = (
      self.param('bias', zeros, shape) if self.use_bias else jnp.zeros(shape)
    )
    return kernel, bias


class FusedHead(nn.Module):
  """Adds up features of four strides, linearly mapped to as many channels.

  Published: a linear layer for each stride, enlargement, concatenation and a
  second linear layer. As they are linear, the two are one product here, before
  the enlargement: the same sum for a fraction of the arithmetic.

  Attributes:
    num_classes: C.
    width: channels of the sum.
    bn: mode of `norm.BatchNorm`.
    dtype: of activations.
  """

  num_classes: int
  width: int
  bn: str
  dtype: DTypeLike

  @nn.compact
  def __call__(self, features: Sequence[jax.Array], train: bool) -> jax.Array:
    """Maps features, the finest [B, h, w, D] first, to logits [B, h, w, C]."""
    fuse, _ = Weights(
      (1, 1, len(features) * self.width, self.width), False, name='fuse'
    )()
    total = jnp.zeros((), self.dtype)
    # The published code concatenates the coarsest first.
    parts = jnp.split(fuse[0, 0], len(features))[::-1]
    for level, (x, part) in enumerate(zip(features, parts, strict=True)):
      shape = (x.shape[-1], self.width)
      kernel, bias = Weights(shape, name=f'linear{level}')()
      y = x.reshape(-1, x.shape[-1]) @ (kernel @ part).astype(self.dtype)
      y += (bias @ part).astype(self.dtype)
      y = y.reshape(*x.shape[:-1], self.width)
      total += resized(y, features[0].shape[1:3])
    x = nn.relu(norm.BatchNorm(self.bn, self.dtype, name='bn')(total, train))
    x = nn.Dropout(
      DROPPED_CHANNELS,
      broadcast_dims=(1, 2),
      deterministic=not (train and self.has_rng('dropout')),
    )(x)
    return nn.Conv(
      self.num_classes,
      (1, 1),
      kernel_init=nn.initializers.normal(0.01),
      dtype=self.dtype,
      name='classifier',
    )(x).astype(jnp.float32)


def resized(x: jax.Array, size: tuple[int, ...]) -> jax.Array:
  """Enlarges [B, h, w, D] as published: positions are centres of cells."""
  shape = (x.shape[0], *size, x.shape[-1])
  return jax.image.resize(x, shape, 'bilinear', antialias=False)
