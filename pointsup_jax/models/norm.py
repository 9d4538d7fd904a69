"""Batch normalisation that matches the published PyTorch models."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

EPSILON = 1e-5
MOMENTUM = 0.1  # weight of the new statistics, torch's convention
MODES = ('batch', 'global', 'frozen')
_SPARSE = 8  # of so many rows and columns, one is in the sample of `_moments`


class BatchNorm(nn.Module):
  """Normalises each channel, then scales and shifts it.

  Flax's own layer keeps the biased running variance and, under `jit`, always
  pools the whole batch.

  Attributes:
    mode: statistics of a training pass: 'batch' (per image, as in the paper's
      batch of one), 'global' (whole batch, all devices) or 'frozen' (running
      statistics, not updated).
    dtype: of the result; statistics are computed in float32 at least.
    epsilon: added to variances.
  """

  mode: str = 'batch'
  dtype: DTypeLike = jnp.float32
  epsilon: float = EPSILON

  @nn.compact
  def __call__(self, x: jax.Array, train: bool) -> jax.Array:
    """Normalises x [B, H, W, C], by running statistics unless `train`."""
    if self.mode not in MODES:
      raise ValueError(f'BatchNorm mode {self.mode!r} is none of {MODES}')
    channels = x.shape[-1]
    scale = self.param('scale', nn.initializers.ones, (channels,))
    bias = self.param('bias', nn.initializers.zeros, (channels,))
    running_mean = self.variable(
      'batch_stats', 'mean', jnp.zeros, (channels,), jnp.float32
    )
    running_var = self.variable(
      'batch_stats', 'var', jnp.ones, (channels,), jnp.float32
    )
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    mean, var = running_mean.value, running_var.value
    if train and self.mode != 'frozen':
      axes = (1, 2) if self.mode == 'batch' else (0, 1, 2)
      mean, var = _moments(x, wide, axes)
      if not self.is_initializing():
        count = x.size // mean.size
        unbiased = var * (count / max(count - 1, 1))
        running_mean.value = _blend(running_mean.value, mean)
        running_var.value = _blend(running_var.value, unbiased)
    gain = scale * jax.lax.rsqrt(var + self.epsilon)
    return (wide * gain + (bias - mean * gain)).astype(self.dtype)


def _moments(
  x: jax.Array, wide: jax.Array, axes: tuple[int, ...]
) -> tuple[jax.Array, jax.Array]:
  """Mean and biased variance in one pass over x, with the axes kept.

  A variance from the squares of x itself is rounding errors where the mean is
  large: 20% are wrong at a thousand standard deviations. x is shifted by the
  mean of a sample, as it lies within a few deviations of that of all. `wide` is
  x in float32 at least.
  """
  # Sliced before the conversion: on TPUs no fusion has a strided slice, so XLA
  # would write all of x in float32 first.
  sample = x[:, ::_SPARSE, ::_SPARSE].astype(wide.dtype)
  shift = jax.lax.stop_gradient(jnp.mean(sample, axes, keepdims=True))
  shifted = wide - shift
  mean = jnp.mean(shifted, axes, keepdims=True)
  mean_of_squares = jnp.mean(jnp.square(shifted), axes, keepdims=True)
  # Rounding can make a constant channel's variance negative.
  var = jnp.maximum(mean_of_squares - jnp.square(mean), 0.0)
  return mean + shift, var


def _blend(running: jax.Array, new: jax.Array) -> jax.Array:
  """Updates running statistics [C] with new ones [B or 1, 1, 1, C]."""
  return (1 - MOMENTUM) * running + MOMENTUM * jnp.mean(new, (0, 1, 2))
