"""Dilated ResNet backbone of DeepLab-v2, output stride 8."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from pointsup_jax import types
from pointsup_jax.models import backbone, convolutions, norm
from pointsup_jax.models.convolutions import Conv1x1, he_normal

BGR_MEAN = (104.00698793, 116.66876762, 122.67891434)  # ImageNet's, 0..255
STRIDES = (1, 2, 1, 1)
DILATIONS = (1, 1, 2, 4)
# A block's output channels / its 3x3's.
EXPANSION = {'bottleneck': 4, 'basic': 1}

# Our module names and torch's; fields in braces, of which `FIELDS` has the
# patterns, are the same in both.
MODULES = (
  ('{top}', '{top}'),
  ('layer{stage}_{block}/{part}', 'layer{stage}.{block}.{part}'),
  ('layer{stage}_{block}/downsample_conv', 'layer{stage}.{block}.downsample.0'),
  ('layer{stage}_{block}/downsample_bn', 'layer{stage}.{block}.downsample.1'),
)
FIELDS = {
  'top': 'conv1|bn1',
  'stage': '[1-4]',
  'block': r'\d+',
  'part': '(?:conv|bn)[1-3]',
}


def preprocess(images: types.Array) -> jax.Array:
  """Converts uint8 RGB [B, H, W, 3] to float32 BGR minus the ImageNet mean.

  Images of floats, made within a step, are that already.
  """
  if jnp.issubdtype(images.dtype, jnp.floating):
    return jnp.asarray(images)
  bgr = jnp.asarray(images)[..., ::-1].astype(jnp.float32)
  return bgr - jnp.array(BGR_MEAN, jnp.float32)


class _Block(nn.Module):
  """What both kinds of blocks are made of."""

  width: int  # channels of 3x3 convolutions
  stride: int
  dilation: int
  project: bool  # whether the shortcut has a 1x1 convolution
  bn: str
  dtype: DTypeLike

  @nn.nowrap
  def normalised(self, x: jax.Array, train: bool, name: str) -> jax.Array:
    return norm.BatchNorm(self.bn, self.dtype, name=name)(x, train)

  @nn.nowrap
  def conv1x1(
    self, x: jax.Array, features: int, stride: int, name: str
  ) -> jax.Array:
    return Conv1x1(features, stride, self.dtype, name=name)(x)

  @nn.nowrap
  def conv3x3(self, x: jax.Array, stride: int, name: str) -> jax.Array:
    return nn.Conv(
      self.width,
      (3, 3),
      strides=stride,
      padding=self.dilation,
      kernel_dilation=self.dilation,
      use_bias=False,
      kernel_init=he_normal,
      dtype=self.dtype,
      name=name,
    )(x)

  @nn.nowrap
  def joined(
    self, x: jax.Array, y: jax.Array, train: bool, one: jax.Array
  ) -> jax.Array:
    """The block's result: y, its convolutions', plus the shortcut of x."""
    if self.project:
      x = self.conv1x1(x, y.shape[-1], self.stride, 'downsample_conv')
      x = self.normalised(x, train, 'downsample_bn')
    return nn.relu(x + y) / one.astype(self.dtype)


class Bottleneck(_Block):
  """1x1 (strided), 3x3 (dilated) and 1x1 convolutions, plus a shortcut."""

  @nn.compact
  def __call__(self, x: jax.Array, train: bool, one: jax.Array) -> jax.Array:
    """[B, H, W, C] -> [B, ceil(H / stride), ceil(W / stride), 4 * width]."""
    features = EXPANSION['bottleneck'] * self.width
    y = self.conv1x1(x, self.width, self.stride, 'conv1')
    y = nn.relu(self.normalised(y, train, 'bn1'))
    y = nn.relu(self.normalised(self.conv3x3(y, 1, 'conv2'), train, 'bn2'))
    y = self.normalised(self.conv1x1(y, features, 1, 'conv3'), train, 'bn3')
    return self.joined(x, y, train, one)


class Basic(_Block):
  """Two 3x3 convolutions (the first strided), plus a shortcut: ResNet-18, -34.

  `width` is that of the output too.
  """

  @nn.compact
  def __call__(self, x: jax.Array, train: bool, one: jax.Array) -> jax.Array:
    """[B, H, W, C] -> [B, ceil(H / stride), ceil(W / stride), width]."""
    y = self.conv3x3(x, self.stride, 'conv1')
    y = nn.relu(self.normalised(y, train, 'bn1'))
    y = self.normalised(self.conv3x3(y, 1, 'conv2'), train, 'bn2')
    return self.joined(x, y, train, one)


class ResNet(nn.Module):
  """Stem and four stages of blocks.

  Attributes:
    blocks: blocks per stage; (3, 4, 23, 3) is ResNet-101.
    width: channels of the stem and of the first stage's 3x3; each stage
      doubles them.
    bn: mode of `norm.BatchNorm`.
    dtype: of activations; parameters and statistics are float32.
    remat: whether the backward pass recomputes the inside of blocks.
    block: 'bottleneck', or 'basic' as in ResNet-18 and ResNet-34.
  """

  blocks: tuple[int, ...]
  width: int
  bn: str
  dtype: DTypeLike
  remat: bool
  block: str = 'bottleneck'

  @property
  def layout(self) -> backbone.Layout:
    """See `models/backbone.py`."""
    widest = EXPANSION[self.block] * self.width
    return backbone.Layout(
      channels=backbone.Features(
        self.width, *(2**i * widest for i in range(len(STRIDES)))
      ),
      strides=backbone.Features(4, 4, 8, 8, 8),
      on_pixels=False,
      dilations=(6, 12, 18, 24),
    )

  def preprocess(self, images: types.Array) -> jax.Array:
    """See the function of this name."""
    return preprocess(images)

  @nn.compact
  def __call__(
    self, images: jax.Array, train: bool
  ) -> backbone.Features[jax.Array]:
    """Features of images [B, H, W, 3]."""
    x = nn.Conv(
      self.width,
      (7, 7),
      strides=2,
      padding=3,
      use_bias=False,
      kernel_init=he_normal,
      conv_general_dilated=convolutions.halved,
      dtype=self.dtype,
      name='conv1',
    )(images)
    x = norm.BatchNorm(self.bn, self.dtype, name='bn1')(x, train)
    one = _unfolded_one(self.variables['params']['bn1']['scale'])
    stages = [_max_pool(nn.relu(x))]
    block = Bottleneck if self.block == 'bottleneck' else Basic
    if self.remat:
      block = nn.remat(block, static_argnums=2)
    for i, (count, stride, dilation) in enumerate(
      zip(self.blocks, STRIDES, DILATIONS, strict=True)
    ):
      x = stages[-1]
      for j in range(count):
        x = block(
          width=self.width * 2**i,
          stride=stride if j == 0 else 1,
          dilation=dilation,
          # Where the shortcut has the block's shape already, it is none.
          project=j == 0 and (i > 0 or self.block == 'bottleneck'),
          bn=self.bn,
          dtype=self.dtype,
          name=f'layer{i + 1}_{j}',
        )(x, train, one)
      stages.append(x)
    return backbone.Features(*stages)


def _unfolded_one(numbers: jax.Array) -> jax.Array:
  """A 1 that the compiler cannot fold; block outputs are divided by it.

  XLA's CPU backend recomputes cheap operations, sums among them, for every
  reader, so each block would add up all blocks before it: 7 to 13% of a step.
  It does not recompute a division. `jax.lax.optimization_barrier` does not
  help: the CPU compiler drops it first (jax 0.10).
  """
  return 1.0 + 0.0 * jax.lax.stop_gradient(numbers[0])


def _max_pool(x: jax.Array) -> jax.Array:
  """3x3 max pool, stride 2, padding 1, ceil mode: H -> H // 2 + 1."""
  height, width = x.shape[1:3]
  padding = ((1, 2 - height % 2), (1, 2 - width % 2))
  return nn.max_pool(x, (3, 3), strides=(2, 2), padding=padding)
