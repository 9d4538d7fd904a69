"""Mix Transformer, the encoder of SegFormer (Xie et al., NeurIPS 2021).

As `transformers` has it, whose names its weights have: every norm adds 1e-5 to
variances (the authors' code 1e-6 in blocks).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from pointsup_jax import types
from pointsup_jax.models import backbone, convolutions
from pointsup_jax.models.convolutions import Depthwise, he_normal

EPSILON = 1e-5  # of its layer norms
DROP_PATH = 0.1  # of the last block; it rises from 0
RGB_MEAN = (0.485, 0.456, 0.406)  # ImageNet's, 0..1
RGB_STD = (0.229, 0.224, 0.225)
# Of each stage: rows and columns of a patch, stride, heads, reduction of keys.
STAGES = ((7, 4, 1, 8), (3, 2, 2, 4), (3, 2, 5, 2), (3, 2, 8, 1))


class Size(NamedTuple):
  """What differs between the networks of the family."""

  blocks: tuple[int, int, int, int]  # of each stage
  channels: tuple[int, int, int, int]
  fused: int  # channels of SegFormer's head


SIZES = {
  'mit_b0': Size((2, 2, 2, 2), (32, 64, 160, 256), 256),
  'mit_b1': Size((2, 2, 2, 2), (64, 128, 320, 512), 256),
  'mit_b2': Size((3, 4, 6, 3), (64, 128, 320, 512), 768),
  'mit_b3': Size((3, 4, 18, 3), (64, 128, 320, 512), 768),
  'mit_b4': Size((3, 8, 27, 3), (64, 128, 320, 512), 768),
  'mit_b5': Size((3, 6, 40, 3), (64, 128, 320, 512), 768),
}

# Our module names and those of `transformers`, as in `resnet`.
_BLOCK = 'segformer.encoder.block.{level}.{unit}'
MODULES = (
  (
    'patch_embed{level}/proj',
    'segformer.encoder.patch_embeddings.{level}.proj',
  ),
  (
    'patch_embed{level}/norm',
    'segformer.encoder.patch_embeddings.{level}.layer_norm',
  ),
  ('block{level}_{unit}/norm{half}', f'{_BLOCK}.layer_norm_{{half}}'),
  ('block{level}_{unit}/{looked}', f'{_BLOCK}.attention.self.{{looked}}'),
  ('block{level}_{unit}/reduce', f'{_BLOCK}.attention.self.sr'),
  ('block{level}_{unit}/reduce_norm', f'{_BLOCK}.attention.self.layer_norm'),
  ('block{level}_{unit}/out', f'{_BLOCK}.attention.output.dense'),
  ('block{level}_{unit}/dense{half}', f'{_BLOCK}.mlp.dense{{half}}'),
  ('block{level}_{unit}/dwconv', f'{_BLOCK}.mlp.dwconv.dwconv'),
  ('norm{level}', 'segformer.encoder.layer_norm.{level}'),
)
FIELDS = {
  'level': '[0-3]',
  'unit': r'\d+',
  'half': '[12]',
  'looked': 'query|key|value',
}
# What the names of a classifier of ImageNet begin with.
DROPPED = ('classifier.',)


class PatchEmbedding(nn.Module):
  """A convolution of overlapping patches, and a norm."""

  size: int
  stride: int
  features: int
  dtype: DTypeLike

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """[B, H, W, C] -> [B, ceil(H / stride), ceil(W / stride), features]."""
    form = convolutions.halved if self.stride == 2 else None
    x = nn.Conv(
      self.features,
      (self.size, self.size),
      strides=self.stride,
      padding=self.size // 2,
      kernel_init=he_normal,
      conv_general_dilated=form,
      dtype=self.dtype,
      name='proj',
    )(x)
    return _norm('norm', self.dtype)(x)


class Reduction(nn.Module):
  """A convolution whose windows touch, as one matrix product."""

  size: int  # rows and columns of a window
  dtype: DTypeLike

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """[B, H, W, C] -> [B, h, w, C], h = H // size, but at least 1."""
    batch, height, width, channels = x.shape
    shape = (self.size, self.size, channels, channels)
    kernel = self.param('kernel', he_normal, shape)
    bias = self.param('bias', nn.initializers.zeros, shape[-1:])
    rows, columns = (max(side // self.size, 1) for side in (height, width))
    # The rest is cut off; what is smaller than a window is filled by zeros.
    ends = (rows * self.size - height, columns * self.size - width)
    x = jax.lax.pad(
      x.astype(self.dtype),
      jnp.zeros((), self.dtype),
      [(0, 0, 0), *((0, end, 0) for end in ends), (0, 0, 0)],
    )
    x = x.reshape(batch, rows, self.size, columns, self.size, channels)
    x = x.swapaxes(2, 3).reshape(batch * rows * columns, -1)
    x = x @ kernel.reshape(-1, channels).astype(self.dtype)
    x += bias.astype(self.dtype)
    return x.reshape(batch, rows, columns, channels)


class Block(nn.Module):
  """Attention to a coarser grid, then a Mix-FFN; each with a shortcut.

  Attributes:
    heads: of the attention, which divide the channels.
    reduction: rows and columns of positions that a key stands for.
    drop: probability that a training pass with a key leaves out a half, of an
      image.
    dtype: of activations.
  """

  heads: int
  reduction: int
  drop: float
  dtype: DTypeLike

  @nn.compact
  def __call__(self, x: jax.Array, train: bool) -> jax.Array:
    """[B, H, W, C] -> [B, H, W, C]."""
    leave = nn.Dropout(
      self.drop,
      broadcast_dims=(1, 2, 3),
      deterministic=not (train and self.has_rng('dropout')),
    )
    x += leave(self._attention(_norm('norm1', self.dtype)(x)))
    x += leave(self._mix(_norm('norm2', self.dtype)(x)))
    return x

  @nn.nowrap
  def _attention(self, x: jax.Array) -> jax.Array:
    batch, *_, channels = x.shape
    seen = x
    if self.reduction > 1:
      seen = Reduction(self.reduction, self.dtype, name='reduce')(x)
      seen = _norm('reduce_norm', self.dtype)(seen)
    query, key, value = (
      self._dense(y, channels, name).reshape(
        batch, -1, self.heads, channels // self.heads
      )
      for y, name in ((x, 'query'), (seen, 'key'), (seen, 'value'))
    )
    y = jax.nn.dot_product_attention(query, key, value)
    return self._dense(y.reshape(x.shape), channels, 'out')

  @nn.nowrap
  def _mix(self, x: jax.Array) -> jax.Array:
    """The depthwise convolution tells positions where they are."""
    channels = x.shape[-1]
    x = self._dense(x, 4 * channels, 'dense1')
    x = Depthwise(3, use_bias=True, dtype=self.dtype, name='dwconv')(x)
    return self._dense(nn.gelu(x, approximate=False), channels, 'dense2')

  @nn.nowrap
  def _dense(self, x: jax.Array, features: int, name: str) -> jax.Array:
    layer = nn.Dense(
      features,
      kernel_init=nn.initializers.truncated_normal(0.02),
      dtype=self.dtype,
      name=name,
    )
    # Flattened as in `convolutions.Conv1x1`.
    return layer(x.reshape(-1, x.shape[-1])).reshape(*x.shape[:-1], features)


class MixTransformer(nn.Module):
  """Four stages of a patch embedding, blocks and a norm.

  Attributes:
    size: of `SIZES`.
    dtype: of activations; parameters are float32.
    remat: whether the backward pass recomputes the inside of blocks.
  """

  size: Size = SIZES['mit_b0']
  dtype: DTypeLike = jnp.float32
  remat: bool = False

  @property
  def layout(self) -> backbone.Layout:
    """See `models/backbone.py`."""
    return backbone.Layout(
      channels=backbone.Features(self.size.channels[0], *self.size.channels),
      strides=backbone.Features(4, 4, 8, 16, 32),
      on_pixels=False,
      dilations=(1, 3, 6, 9),
      fused=self.size.fused,
    )

  def preprocess(self, images: types.Array) -> jax.Array:
    """Converts uint8 RGB [B, H, W, 3] to float32 of mean 0, deviation 1."""
    scaled = jnp.asarray(images).astype(jnp.float32) / 255.0
    return (scaled - jnp.array(RGB_MEAN)) / jnp.array(RGB_STD)

  @nn.compact
  def __call__(
    self, images: jax.Array, train: bool
  ) -> backbone.Features[jax.Array]:
    """Features of images [B, H, W, 3]."""
    block = nn.remat(Block, static_argnums=2) if self.remat else Block
    last = max(sum(self.size.blocks) - 1, 1)
    x, done, found = images, 0, []
    for level, (patch, stride, heads, reduction) in enumerate(STAGES):
      x = PatchEmbedding(
        patch,
        stride,
        self.size.channels[level],
        self.dtype,
        name=f'patch_embed{level}',
      )(x)
      if level == 0:
        found.append(x)
      for unit in range(self.size.blocks[level]):
        x = block(
          heads,
          reduction,
          DROP_PATH * done / last,
          self.dtype,
          name=f'block{level}_{unit}',
        )(x, train)
        done += 1
      x = _norm(f'norm{level}', self.dtype)(x)
      found.append(x)
    return backbone.Features(*found)


def _norm(name: str, dtype: DTypeLike) -> nn.LayerNorm:
  """Of each position's channels; statistics are of float32."""
  return nn.LayerNorm(EPSILON, dtype, use_fast_variance=False, name=name)
