"""DeepLab-v2 with two output heads: the segmenter (G1 and G2 in the paper)."""

import itertools

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from pointsup_jax import types
from pointsup_jax.models import backbone as backbone_lib
from pointsup_jax.models import (
  depth_branch,
  efficientnet_lite,
  fused_head,
  mix_transformer,
  precision,
  resnet,
  upsample,
)

BACKBONES = ('resnet', *efficientnet_lite.SCALES, *mix_transformer.SIZES)
STRIDE = 8  # of the logits, unless the main head fuses features


class Branch(nn.Module):
  """Parameters of one 3x3 convolution of a head, named as nn.Conv's."""

  depth: int
  num_classes: int

  @nn.compact
  def __call__(self) -> tuple[jax.Array, jax.Array]:
    """Returns the kernel [3, 3, D, C] and the bias [C]."""
    shape = (3, 3, self.depth, self.num_classes)
    kernel = self.param('kernel', nn.initializers.normal(0.01), shape)
    bias = self.param('bias', nn.initializers.zeros, shape[-1:])
    return kernel, bias


class Head(nn.Module):
  """Sum of four parallel 3x3 convolutions with different dilations.

  C is small compared to the feature depth D, so one matrix product applies all
  36 taps, and their C-channel results are shifted and summed. Equivalent to
  four dilated convolutions and three times faster on a CPU.
  """

  num_classes: int
  dtype: DTypeLike
  dilations: tuple[int, ...] = (6, 12, 18, 24)

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps features [B, h, w, D] to float32 logits [B, h, w, C]."""
    depth = x.shape[-1]
    kernels, biases = zip(
      *(
        Branch(depth, self.num_classes, name=f'conv{i}')()
        for i in range(len(self.dilations))
      ),
      strict=True,
    )
    kernel = jnp.moveaxis(jnp.stack(kernels), 3, 0).reshape(depth, -1)
    products = _product(x.reshape(-1, depth), kernel.astype(self.dtype))
    products = products.reshape(*x.shape[:-1], -1)  # [B, h, w, 36 * C]
    offsets = list(itertools.product(self.dilations, (-1, 0, 1), (-1, 0, 1)))
    logits = sum(biases)
    # With slices, each gradient would be a full-size array.
    taps = jnp.split(products, len(offsets), axis=-1)
    for tap, (dilation, row, column) in zip(taps, offsets, strict=True):
      logits += _shifted(tap, dilation * row, dilation * column)
    return logits


@jax.custom_vjp
def _product(x: jax.Array, kernel: jax.Array) -> jax.Array:
  """x @ kernel in float32 at least: taps are not rounded before their sum.

  Gradients are rounded to x's dtype; jax's own would multiply in float32, which
  is slow where x is bfloat16.
  """
  exact = jnp.promote_types(x.dtype, jnp.float32)
  return jnp.matmul(x, kernel, preferred_element_type=exact)


def _product_forward(
  x: jax.Array, kernel: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
  return _product(x, kernel), (x, kernel)


def _product_backward(
  factors: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
  x, kernel = factors
  gradient = gradient.astype(x.dtype)
  with precision.exact(x.dtype):  # it is traced outside the forward pass
    return gradient @ kernel.T, x.T @ gradient


_product.defvjp(_product_forward, _product_backward)


def _shifted(x: jax.Array, rows: int, columns: int) -> jax.Array:
  """y[b, i, j] = x[b, i + rows, j + columns], zero outside x."""
  if abs(rows) >= x.shape[1] or abs(columns) >= x.shape[2]:
    return jnp.zeros_like(x)
  shifts = ((0, 0, 0), (-rows, rows, 0), (-columns, columns, 0), (0, 0, 0))
  return jax.lax.pad(x, jnp.zeros((), x.dtype), shifts)


class DeepLabV2(nn.Module):
  """A network with two heads, mostly one on conv4 and one on conv5.

  With a Mix Transformer it is SegFormer, whose head is the main one.

  Attributes:
    blocks: of a ResNet, per stage; (3, 4, 23, 3) is ResNet-101.
    width: of a ResNet: channels of the stem and of the first stage's 3x3
      convolutions.
    bn: mode of `norm.BatchNorm`: 'batch', 'global' or 'frozen'.
    dtype: of activations; parameters, statistics and logits are float32.
    remat: whether the backward pass recomputes the inside of blocks.
    aux_reads: features of the aux head, 'conv4' or 'conv5'.
    depth: whether the main head reads features fused with predicted depth.
    prediction: logits that are the prediction: of the 'main' head, the 'sum'
      of both heads, or those of the 'mean' of both probabilities.
    backbone: of `BACKBONES`.
    block: of a ResNet: 'bottleneck', or 'basic' as in ResNet-18 and ResNet-34.
    output_stride: of an EfficientNet; ResNets have 8.
  """

  num_classes: int
  blocks: tuple[int, ...] = (3, 4, 23, 3)
  width: int = 64
  bn: str = 'batch'
  dtype: DTypeLike = jnp.float32
  remat: bool = False
  aux_reads: str = 'conv4'
  depth: bool = False
  prediction: str = 'main'
  backbone: str = 'resnet'
  block: str = 'bottleneck'
  output_stride: int = 16

  def setup(self) -> None:
    """Builds the parts; backbone parameters sit beside the heads at the top."""
    self.features = self._below()
    nn.share_scope(self, self.features)
    self.aux_head = self._head_on(self.aux_reads)
    self.main_head = self._head_on('conv5')
    if self.layout.on_pixels:
      self.fine_head = nn.Conv(
        self.num_classes,
        (3, 3),
        kernel_init=nn.initializers.normal(0.01),
        dtype=self.dtype,
      )
    if self.depth:
      self.depth_branch = depth_branch.DepthBranch(
        8 * self.width, 2 * self.width, self.dtype
      )
      nn.share_scope(self, self.depth_branch)

  def __call__(self, images: types.Array, train: bool) -> types.Outputs:
    """Returns both heads' float32 logits [B, h, w, C].

    Of a ResNet, whose pooling rounds up, h = (H + 1) // 8 + 1; of an
    EfficientNet h = ceil((H - 1) / 8) + 1; of a Mix Transformer h = ceil(H /
    4). Corners of logits and images are aligned. `images` [B, H, W, 3] come
    from `preprocess`; `train` is passed to the norms and to what is left out at
    random. The taps conv3 to conv5 lie where the logits do.
    """
    with precision.exact(self.dtype):
      images = jnp.asarray(images)
      features = self.features(self._padded(images), train)
      taps, fused = features._asdict(), features.conv5
      if self.depth:
        fused, taps['depth'] = self.depth_branch(features.conv5)
      apart = self.layout.on_pixels or bool(self.layout.fused)
      if apart:
        taps |= {
          name: self._at_logits(taps[name], name, images.shape)
          for name in ('conv3', 'conv4', 'conv5')
        }
      if not self.is_initializing():  # variables are params and statistics
        for name, tap in taps.items():
          # At no cost, and with no effect, where nobody asks for it.
          self.sow('taps', name, tap, **_LAST)
      aux = self._read(self.aux_head, self.aux_reads, features, train)
      features = features._replace(conv5=fused)
      main = self._read(self.main_head, 'conv5', features, train)
      if apart:
        aux = self._at_logits(aux, self.aux_reads, images.shape)
        main = self._at_logits(main, 'conv5', images.shape)
      if self.layout.on_pixels:
        # Of its own stride, for what is thin; the others' are twice as coarse.
        fine = self.fine_head(features.conv3).astype(jnp.float32)
        main += self._at_logits(fine, 'conv3', images.shape)
      return types.Outputs(aux, main)

  @property
  def layout(self) -> backbone_lib.Layout:
    """How features lie on an image."""
    return self._below().layout

  def preprocess(self, images: types.Array) -> jax.Array:
    """Converts uint8 RGB [B, H, W, 3] to what the network reads, float32."""
    return self._below().preprocess(images)

  @nn.nowrap
  def _below(
    self,
  ) -> (
    resnet.ResNet
    | efficientnet_lite.EfficientNetLite
    | mix_transformer.MixTransformer
  ):
    """The network below the heads, a module of no parent."""
    if self.backbone == 'resnet':
      return resnet.ResNet(
        self.blocks,
        self.width,
        self.bn,
        self.dtype,
        self.remat,
        self.block,
        parent=None,
      )
    if self.backbone in mix_transformer.SIZES:
      size = mix_transformer.SIZES[self.backbone]
      return mix_transformer.MixTransformer(
        size, self.dtype, self.remat, parent=None
      )
    return efficientnet_lite.EfficientNetLite(
      efficientnet_lite.SCALES[self.backbone],
      self.output_stride,
      self.bn,
      self.dtype,
      self.remat,
      parent=None,
    )

  @nn.nowrap
  def _head_on(self, name: str) -> Head | fused_head.FusedHead:
    """A head that reads features of this name, or fuses all up to conv5."""
    if self.layout.fused and name == 'conv5':
      return fused_head.FusedHead(
        self.num_classes, self.layout.fused, self.bn, self.dtype
      )
    return Head(self.num_classes, self.dtype, self.layout.dilations)

  @nn.nowrap
  def _read(
    self,
    head: Head | fused_head.FusedHead,
    name: str,
    features: backbone_lib.Features[jax.Array],
    train: bool,
  ) -> jax.Array:
    """A head's logits, where the coarsest or the fused features lie."""
    if isinstance(head, fused_head.FusedHead):
      return head(features[1:], train)
    return head(getattr(features, name))

  def _padded(self, images: jax.Array) -> jax.Array:
    """Images with zeros below and on the right, up to whole strides plus 1."""
    if not self.layout.on_pixels:
      return images
    stride = max(self.layout.strides)
    _, height, width, _ = images.shape
    rows, columns = ((0, (1 - side) % stride) for side in (height, width))
    return jnp.pad(images, ((0, 0), rows, columns, (0, 0)))

  def _at_logits(
    self, x: jax.Array, name: str, shape: tuple[int, ...]
  ) -> jax.Array:
    """What lies where features of this name do, sampled where logits lie.

    `shape` is that of the images, to whose corners the samples reach.
    """
    if self.layout.fused:
      finest = self.layout.strides.conv2
      size = tuple(-(-side // finest) for side in shape[1:3])
      return fused_head.resized(x, size)
    stride = getattr(self.layout.strides, name)
    rows, columns = (
      jnp.asarray(
        upsample.weights_on_pixels(cells, stride, side, STRIDE), x.dtype
      )
      for cells, side in zip(x.shape[1:3], shape[1:3], strict=True)
    )
    return upsample.interpolate(x, rows, columns)

  def predicted(self, outputs: types.Outputs) -> jax.Array:
    """The prediction's logits [..., C], of both heads' logits."""
    if self.prediction == 'sum':
      return outputs.aux + outputs.main
    if self.prediction == 'mean':
      return jnp.logaddexp(
        jax.nn.log_softmax(outputs.aux), jax.nn.log_softmax(outputs.main)
      )
    return outputs.main


# Keeps a tapped array itself, not a tuple of all calls' ones.
_LAST: dict = {'init_fn': lambda: None, 'reduce_fn': lambda old, new: new}


def init(segmenter: DeepLabV2, key: jax.Array) -> types.Variables:
  """Initialises variables; their shapes do not depend on the image size."""
  images = jnp.zeros((1, 32, 32, 3))
  return dict(segmenter.init(key, images, train=False))
