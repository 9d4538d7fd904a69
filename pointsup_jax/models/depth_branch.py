"""DADA's depth branch (Vu et al., ICCV 2019)."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from pointsup_jax.models import torch_init

MODULES = ('depth_enc1', 'depth_enc2', 'depth_enc3', 'depth_dec')


class DepthBranch(nn.Module):
  """Predicts inverse depth from conv5 and returns features fused with it.

  Its modules lie beside the segmenter's own; see `MODULES`.

  Attributes:
    width: channels of the first two layers; published: 512.
    code: channels of the code, whose mean is the depth; published: 128.
    dtype: of activations.
  """

  width: int
  code: int
  dtype: DTypeLike

  @nn.compact
  def __call__(self, conv5: jax.Array) -> tuple[jax.Array, jax.Array]:
    """[B, h, w, D] -> fused features [B, h, w, D], depth [B, h, w, 1]."""
    x = nn.relu(self._conv(conv5, self.width, 1, 'depth_enc1'))
    x = nn.relu(self._conv(x, self.width, 3, 'depth_enc2'))
    code = self._conv(x, self.code, 1, 'depth_enc3')
    exact = jnp.promote_types(code.dtype, jnp.float32)
    depth = jnp.mean(code, axis=-1, keepdims=True, dtype=exact)
    decoded = self._conv(code, conv5.shape[-1], 1, 'depth_dec')
    return conv5 * nn.relu(decoded), depth

  def _conv(self, x: jax.Array, out: int, size: int, name: str) -> jax.Array:
    return nn.Conv(
      out,
      (size, size),
      padding=size // 2,
      kernel_init=nn.initializers.normal(0.01),
      bias_init=torch_init.bias(x.shape[-1] * size * size),
      dtype=self.dtype,
      name=name,
    )(x)
