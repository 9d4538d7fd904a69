"""The opponent that tells the domains apart: D1 and D2 of the paper."""

import jax
from flax import linen as nn

NEGATIVE_SLOPE = 0.2

# U(-1/sqrt(fan_in), 1/sqrt(fan_in)), torch's default for a convolution.
torch_uniform = nn.initializers.variance_scaling(1 / 3, 'fan_in', 'uniform')


class Discriminator(nn.Module):
  """Five 4x4 convolutions of stride 2 without normalisation.

  They are named by their places in the published Sequential, where LeakyReLUs
  take the odd ones: torch's '4.weight' is `conv4/kernel`. Kernels start as
  torch's do, biases at zero.

  Attributes:
    width: channels after the first convolution; each but the last doubles them.
  """

  width: int = 64

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps [B, H, W, C] -> domain logits [B, H // 32, W // 32, 1]."""
    w = self.width
    for i, features in enumerate((w, 2 * w, 4 * w, 8 * w, 1)):
      if i:
        x = nn.leaky_relu(x, NEGATIVE_SLOPE)
      x = nn.Conv(
        features,
        (4, 4),
        strides=2,
        padding=1,
        kernel_init=torch_uniform,
        name=f'conv{2 * i}',
      )(x)
    return x
