"""DISE's networks (Chang et al., CVPR 2019): images from structure and texture.

A texture encoder per domain, one decoder, and the opponents that judge class
maps and images. Initialised as torch does by default.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from pointsup_jax.models import discriminator, precision, torch_init

TEXTURE = 8  # numbers in a texture code
EPSILON = 1e-5


class TextureEncoder(nn.Module):
  """Five convolutions of stride 2 and a mean over the image.

  Batch norm takes the whole batch's statistics, always: it never predicts.

  Attributes:
    width: the first layer's channels, 64 as published.
    products: see `discriminator.Pixelwise`.
  """

  width: int = 64
  products: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, stem: jax.Array) -> jax.Array:
    """Maps the segmenter's stem [B, h, w, D] to codes [B, 8]."""
    with precision.exact(self.products):
      x = stem
      for i, (factor, size) in enumerate(((1, 7), (2, 3), *3 * ((4, 3),))):
        x = _conv(x, factor * self.width, size, f'conv{i}', stride=2)
        x = nn.relu(_Affine(name=f'bn{i}')(_normalised(x, (0, 1, 2))))
      return _dense(jnp.mean(x, axis=(1, 2)), TEXTURE, 'code')


class Decoder(nn.Module):
  """Makes an image of a structure, a texture and a domain.

  Attributes:
    width: channels at stride 8, 256 as published.
    products: see `discriminator.Pixelwise`.
  """

  width: int = 256
  products: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, structure: jax.Array, texture: jax.Array, domain: jax.Array
  ) -> jax.Array:
    """[B, h, w, D], codes [B, 8], a number -> [B, 8 h - 8, 8 w - 8, 3].

    The image is of -1..1.
    """
    width = self.width
    with precision.exact(self.products):
      for i in range(3):
        texture = nn.relu(_dense(texture, TEXTURE, f'texture{i}'))
      texture = _dense(texture, width, 'texture3')[:, None, None]
      plane = structure.shape[:3]
      x = jnp.concatenate(
        [
          structure,
          jnp.broadcast_to(texture, (*plane, width)),
          jnp.broadcast_to(domain, (*plane, 1)),
        ],
        axis=-1,
      )
      x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), 'reflect')
      x = _conv(x, width, 3, 'first', padding=0, bias=False)
      x = nn.relu(_LayerNorm(name='first_norm')(x))
      for i in range(3):
        y = nn.relu(_normed_conv(x, width, f'block{i}_0'))
        x = x + _normed_conv(y, width, f'block{i}_1')
      for i, padding in enumerate((2, 1, 1)):
        x = nn.relu(_normalised(_enlarged(x, padding, f'up{i}'), (1, 2)))
        width //= 2
        x = nn.relu(_normed_conv(x, width, f'smooth{i}'))
      return jnp.tanh(_conv(x, 3, 3, 'image'))


class MapOpponent(nn.Module):
  """Tells the domains of class maps apart.

  Attributes:
    width: the first layer's channels; the next three double them.
    products: see `discriminator.Pixelwise`.
  """

  width: int = 64
  products: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """[B, H, W, C] -> logits [B, H // 16 + 1, W // 16 + 1, 1]."""
    with precision.exact(self.products):
      for i in range(4):
        x = _conv(
          x, 2**i * self.width, 4, f'conv{i}', stride=2, padding=1, bias=False
        )
        x = nn.leaky_relu(x, discriminator.NEGATIVE_SLOPE)
      return _conv(x, 1, 4, 'conv4', padding=2)


class ImageOpponent(nn.Module):
  """Tells images of a domain from translated ones.

  Attributes:
    width: the first layer's channels; the next three double them.
    products: see `discriminator.Pixelwise`.
  """

  width: int = 64
  products: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """[B, H, W, 3] -> answers [B, H // 16, W // 16, 1]; 1 is a real image."""
    with precision.exact(self.products):
      x = _conv(x, self.width, 6, 'conv0', stride=2, padding=2, bias=False)
      x = nn.leaky_relu(x, discriminator.NEGATIVE_SLOPE)
      for i in range(1, 4):
        x = _conv(
          x, 2**i * self.width, 4, f'conv{i}', stride=2, padding=1, bias=False
        )
        x = nn.leaky_relu(_normalised(x, (1, 2)), discriminator.NEGATIVE_SLOPE)
      return _conv(x, 1, 1, 'conv4')


class _Affine(nn.Module):
  """Scales and shifts each channel."""

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    scale = self.param('scale', nn.initializers.ones, x.shape[-1:])
    bias = self.param('bias', nn.initializers.zeros, x.shape[-1:])
    return x * scale + bias


class _LayerNorm(nn.Module):
  """Normalises each image by its unbiased deviation, epsilon beside the root.

  Not flax's, which has the biased variance and the epsilon inside the root.
  """

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    axes = (1, 2, 3)
    gamma = self.param('gamma', nn.initializers.uniform(1.0), x.shape[-1:])
    beta = self.param('beta', nn.initializers.zeros, x.shape[-1:])
    deviation = jnp.std(x, axis=axes, ddof=1, keepdims=True)
    x = (x - jnp.mean(x, axis=axes, keepdims=True)) / (deviation + EPSILON)
    return x * gamma + beta


def _normalised(x: jax.Array, axes: tuple[int, ...]) -> jax.Array:
  """Batch or instance norm without its affine parameters."""
  centred = x - jnp.mean(x, axis=axes, keepdims=True)
  variance = jnp.mean(jnp.square(centred), axis=axes, keepdims=True)
  return centred * jax.lax.rsqrt(variance + EPSILON)


def _normed_conv(x: jax.Array, features: int, name: str) -> jax.Array:
  return _LayerNorm(name=f'{name}_norm')(_conv(x, features, 3, name))


def _conv(
  x: jax.Array,
  features: int,
  size: int,
  name: str,
  *,
  stride: int = 1,
  padding: int | None = None,
  bias: bool = True,
) -> jax.Array:
  """A convolution of the module that is being applied."""
  return nn.Conv(
    features,
    (size, size),
    strides=stride,
    padding=size // 2 if padding is None else padding,
    use_bias=bias,
    kernel_init=torch_init.kernel,
    bias_init=torch_init.bias(x.shape[-1] * size * size),
    name=name,
  )(x)


def _dense(x: jax.Array, features: int, name: str) -> jax.Array:
  return nn.Dense(
    features,
    kernel_init=torch_init.kernel,
    bias_init=torch_init.bias(x.shape[-1]),
    name=name,
  )(x)


def _enlarged(x: jax.Array, padding: int, name: str) -> jax.Array:
  """torch's transposed 4x4 convolution of stride 2, its kernel flipped."""
  return nn.ConvTranspose(
    x.shape[-1],
    (4, 4),
    strides=(2, 2),
    padding=[(3 - padding, 3 - padding)] * 2,
    use_bias=False,
    kernel_init=torch_init.kernel,
    name=name,
  )(x)
