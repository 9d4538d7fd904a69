"""Domain discriminators (D1 and D2 in the paper)."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from pointsup_jax.models import convolutions, precision, torch_init

NEGATIVE_SLOPE = 0.2


class Discriminator(nn.Module):
  """Five 4x4 convolutions of stride 2 without normalisation.

  Layers are numbered as in the published Sequential, LeakyReLUs included:
  torch's '4.weight' is `conv4/kernel`. Kernels are initialised as in torch,
  biases to zero.

  Attributes:
    width: the first layer's channels; each layer but the last doubles them.
    products: 'float32', or 'bfloat16' also for the convolutions' factors and
      results: those of the first layer are the largest arrays of a step.
  """

  width: int = 64
  products: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps [B, H, W, C] to domain logits [B, H // 32, W // 32, 1].

    Logits are float32 at least.
    """
    w = self.width
    low = None if jnp.dtype(self.products) == jnp.float32 else self.products
    with precision.exact(self.products):
      for i, features in enumerate((w, 2 * w, 4 * w, 8 * w, 1)):
        if i:
          x = nn.leaky_relu(x, NEGATIVE_SLOPE)
        x = nn.Conv(
          features,
          (4, 4),
          strides=2,
          padding=1,
          kernel_init=torch_init.kernel,
          conv_general_dilated=None if i else convolutions.halved_in_products,
          dtype=low,
          promote_dtype=_to_low if low else nn.dtypes.promote_dtype,
          name=f'conv{2 * i}',
        )(x)
    return x


def _to_low(*arrays: Any, dtype: Any = None, inexact: bool = True) -> list[Any]:
  """Casts a convolution's factors; a bias's gradient sums all positions."""
  del inexact  # of flax's own function, in whose place this stands
  *factors, bias = arrays
  return [*(x.astype(dtype) for x in factors), bias]


class Pixelwise(nn.Module):
  """1x1 convolutions: judges each position by its own features alone.

  Layers are numbered with the LeakyReLUs between them, and initialised as in
  torch.

  Attributes:
    widths: channels of the layers; the last ones are the judgements.
    slope: of the LeakyReLUs for negative numbers.
    products: 'float32', or 'bfloat16' to let accelerators multiply its float32
      numbers as they do by default.
  """

  widths: tuple[int, ...]
  slope: float = NEGATIVE_SLOPE
  products: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps features [B, h, w, D] to domain logits [B, h, w, widths[-1]]."""
    shape = x.shape[:-1]
    x = x.reshape(-1, x.shape[-1])
    with precision.exact(self.products):
      for i, features in enumerate(self.widths):
        if i:
          x = nn.leaky_relu(x, self.slope)
        x = nn.Dense(
          features,
          kernel_init=torch_init.kernel,
          bias_init=torch_init.bias(x.shape[-1]),
          name=f'conv{2 * i}',
        )(x)
    return x.reshape(*shape, -1)
