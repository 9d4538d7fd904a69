"""Dilated ResNet backbone of DeepLab-v2, output stride 8."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from pointsup_jax.models import norm

EXPANSION = 4  # a bottleneck's output channels / its 3x3's
STRIDES = (1, 2, 1, 1)
DILATIONS = (1, 1, 2, 4)

he_normal = nn.initializers.variance_scaling(2.0, 'fan_out', 'normal')


class Conv1x1(nn.Module):
  """A 1x1 convolution without bias, as a matrix product.

  Takes about half as long on XLA's CPU backend. The kernel keeps the shape of a
  convolution's, [1, 1, in, out].
  """

  features: int
  stride: int = 1
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """[B, H, W, in] -> [B, ceil(H / stride), ceil(W / stride), out]."""
    shape = (1, 1, x.shape[-1], self.features)
    kernel = self.param('kernel', he_normal, shape)
    x = x[:, :: self.stride, :: self.stride].astype(self.dtype)
    # Flattened: the gradient of a product with three batch axes is slower.
    rows = x.reshape(-1, x.shape[-1]) @ kernel[0, 0].astype(self.dtype)
    return rows.reshape(*x.shape[:-1], self.features)


class Bottleneck(nn.Module):
  """1x1 (strided), 3x3 (dilated) and 1x1 convolutions, plus a shortcut."""

  width: int  # channels of the 3x3
  stride: int
  dilation: int
  project: bool  # whether the shortcut has a 1x1 convolution
  bn: str
  dtype: DTypeLike

  @nn.compact
  def __call__(self, x: jax.Array, train: bool, one: jax.Array) -> jax.Array:
    """[B, H, W, C] -> [B, ceil(H / stride), ceil(W / stride), 4 * width]."""

    def normalise(y: jax.Array, name: str) -> jax.Array:
      return norm.BatchNorm(self.bn, self.dtype, name=name)(y, train)

    def conv1x1(features: int, stride: int, name: str) -> Conv1x1:
      return Conv1x1(features, stride, self.dtype, name=name)

    features = EXPANSION * self.width
    y = conv1x1(self.width, self.stride, 'conv1')(x)
    y = nn.relu(normalise(y, 'bn1'))
    y = nn.Conv(
      self.width,
      (3, 3),
      padding=self.dilation,
      kernel_dilation=self.dilation,
      use_bias=False,
      kernel_init=he_normal,
      dtype=self.dtype,
      name='conv2',
    )(y)
    y = nn.relu(normalise(y, 'bn2'))
    y = normalise(conv1x1(features, 1, 'conv3')(y), 'bn3')
    if self.project:
      x = conv1x1(features, self.stride, 'downsample_conv')(x)
      x = normalise(x, 'downsample_bn')
    return nn.relu(x + y) / one.astype(self.dtype)


class Features(NamedTuple):
  """What the network's parts see, [B, h, w, D]."""

  stem: jax.Array  # stride 4, D = width
  conv2: jax.Array  # stride 4, D = 4 * width
  conv3: jax.Array  # stride 8, D = 8 * width
  conv4: jax.Array  # stride 8, D = 16 * width
  conv5: jax.Array  # stride 8, D = 32 * width


class ResNet(nn.Module):
  """Stem and four stages of bottlenecks.

  Attributes:
    blocks: bottlenecks per stage; (3, 4, 23, 3) is ResNet-101.
    width: channels of the stem and of the first stage's 3x3; each stage
      doubles them.
    bn: mode of `norm.BatchNorm`.
    dtype: of activations; parameters and statistics are float32.
    remat: whether the backward pass recomputes the inside of bottlenecks.
  """

  blocks: tuple[int, ...]
  width: int
  bn: str
  dtype: DTypeLike
  remat: bool

  @nn.compact
  def __call__(self, images: jax.Array, train: bool) -> Features:
    """Features of images [B, H, W, 3]."""
    x = nn.Conv(
      self.width,
      (7, 7),
      strides=2,
      padding=3,
      use_bias=False,
      kernel_init=he_normal,
      dtype=self.dtype,
      name='conv1',
    )(images)
    x = norm.BatchNorm(self.bn, self.dtype, name='bn1')(x, train)
    one = _unfolded_one(self.variables['params']['bn1']['scale'])
    stages = [_max_pool(nn.relu(x))]
    block = nn.remat(Bottleneck, static_argnums=2) if self.remat else Bottleneck
    for i, (count, stride, dilation) in enumerate(
      zip(self.blocks, STRIDES, DILATIONS, strict=True)
    ):
      x = stages[-1]
      for j in range(count):
        x = block(
          width=self.width * 2**i,
          stride=stride if j == 0 else 1,
          dilation=dilation,
          project=j == 0,
          bn=self.bn,
          dtype=self.dtype,
          name=f'layer{i + 1}_{j}',
        )(x, train, one)
      stages.append(x)
    return Features(*stages)


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
