"""DeepLab-v2 with two output heads: the segmenter (G1 and G2 in the paper)."""

import itertools

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from pointsup_jax import types
from pointsup_jax.models import depth_branch, precision, resnet

BGR_MEAN = (104.00698793, 116.66876762, 122.67891434)  # ImageNet's, 0..255
DILATIONS = (6, 12, 18, 24)


def preprocess(images: types.Array) -> jax.Array:
  """Converts uint8 RGB [B, H, W, 3] to float32 BGR minus the ImageNet mean.

  Images of floats, made within a step, are that already.
  """
  if jnp.issubdtype(images.dtype, jnp.floating):
    return jnp.asarray(images)
  bgr = jnp.asarray(images)[..., ::-1].astype(jnp.float32)
  return bgr - jnp.array(BGR_MEAN, jnp.float32)


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

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps features [B, h, w, D] to float32 logits [B, h, w, C]."""
    depth = x.shape[-1]
    kernels, biases = zip(
      *(
        Branch(depth, self.num_classes, name=f'conv{i}')()
        for i in range(len(DILATIONS))
      ),
      strict=True,
    )
    kernel = jnp.moveaxis(jnp.stack(kernels), 3, 0).reshape(depth, -1)
    products = _product(x.reshape(-1, depth), kernel.astype(self.dtype))
    products = products.reshape(*x.shape[:-1], -1)  # [B, h, w, 36 * C]
    offsets = list(itertools.product(DILATIONS, (-1, 0, 1), (-1, 0, 1)))
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
  """Dilated ResNet with two heads, mostly one on conv4 and one on conv5.

  Attributes:
    blocks: bottlenecks per stage; (3, 4, 23, 3) is ResNet-101.
    width: channels of the stem and of the first stage's 3x3 convolutions.
    bn: mode of `norm.BatchNorm`: 'batch', 'global' or 'frozen'.
    dtype: of activations; parameters, statistics and logits are float32.
    remat: whether the backward pass recomputes the inside of bottlenecks.
    aux_reads: features of the aux head, 'conv4' or 'conv5'.
    depth: whether the main head reads features fused with predicted depth.
    prediction: logits that are the prediction: of the 'main' head, the 'sum'
      of both heads, or those of the 'mean' of both probabilities.
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

  def setup(self) -> None:
    """Builds the parts; backbone parameters sit beside the heads at the top."""
    self.backbone = resnet.ResNet(
      self.blocks, self.width, self.bn, self.dtype, self.remat
    )
    nn.share_scope(self, self.backbone)
    self.aux_head = Head(self.num_classes, self.dtype)
    self.main_head = Head(self.num_classes, self.dtype)
    if self.depth:
      self.depth_branch = depth_branch.DepthBranch(
        8 * self.width, 2 * self.width, self.dtype
      )
      nn.share_scope(self, self.depth_branch)

  def __call__(self, images: types.Array, train: bool) -> types.Outputs:
    """Returns both heads' float32 logits [B, h, w, C] at stride 8.

    Pooling rounds up: h = (H + 1) // 8 + 1. `images` [B, H, W, 3] come from
    `preprocess`; `train` is passed to the batch norms.
    """
    with precision.exact(self.dtype):
      features = self.backbone(jnp.asarray(images), train)
      taps, fused = features._asdict(), features.conv5
      if self.depth:
        fused, taps['depth'] = self.depth_branch(features.conv5)
      if not self.is_initializing():  # variables are params and statistics
        for name, tap in taps.items():
          # At no cost, and with no effect, where nobody asks for it.
          self.sow('taps', name, tap, **_LAST)
      return types.Outputs(
        aux=self.aux_head(getattr(features, self.aux_reads)),
        main=self.main_head(fused),
      )

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
