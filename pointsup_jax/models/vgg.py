"""VGG-19's features, frozen (Simonyan and Zisserman, ICLR 2015)."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.typing import DTypeLike

from pointsup_jax import errors
from pointsup_jax.models import precision, weight_files

# Channels of the convolutions between the poolings, up to relu5_1.
_WIDTHS = (2 * (64,), 2 * (128,), 4 * (256,), 4 * (512,), (512,))


class VGG19(nn.Module):
  """relu1_1 to relu5_1; convolutions are numbered as torchvision's features."""

  products: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: jax.Array) -> tuple[jax.Array, ...]:
    """[B, H, W, 3] -> five features [B, h, w, D], of stride 1 to 16."""
    found, number = [], 0
    with precision.exact(self.products):
      for level, widths in enumerate(_WIDTHS):
        if level:
          x, number = nn.max_pool(x, (2, 2), strides=(2, 2)), number + 1
        for i, width in enumerate(widths):
          x = nn.Conv(width, (3, 3), padding=1, name=f'conv{number}')(x)
          x, number = nn.relu(x), number + 2
          if i == 0:
            found.append(x)
    return tuple(found)


def load(path: str) -> dict:
  """Parameters from a torchvision VGG-19 file; the rest of it is dropped.

  Raises errors.UserError if a tensor is missing or of another shape.
  """
  tensors = weight_files.read(path)
  params, depth, number = {}, 3, 0
  for level, widths in enumerate(_WIDTHS):
    number += level > 0
    for width in widths:
      name, shape = f'features.{number}', (width, depth, 3, 3)
      kernel, bias = (tensors.get(f'{name}.{x}') for x in ('weight', 'bias'))
      if kernel is None or bias is None or kernel.shape != shape:
        raise errors.UserError(
          f'{path} is no VGG-19 of torchvision: it has no {name}.weight of '
          f'{list(shape)} with a bias'
        )
      params[f'conv{number}'] = {
        'kernel': np.float32(kernel.transpose(2, 3, 1, 0)),
        'bias': np.float32(bias),
      }
      depth, number = width, number + 2
  return params
