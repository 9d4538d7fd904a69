"""torch's default initialisers of convolutions and linear layers."""

import math
from collections.abc import Callable

import jax
from flax import linen as nn
from jax.typing import DTypeLike

# Of kernels: U(-1/sqrt(fan_in), 1/sqrt(fan_in)).
kernel = nn.initializers.variance_scaling(1 / 3, 'fan_in', 'uniform')


def bias(fan_in: int) -> Callable[..., jax.Array]:
  """Of biases: the same, by the fan-in of their layer's kernel."""
  bound = 1 / math.sqrt(fan_in)

  def init(key: jax.Array, shape: tuple, dtype: DTypeLike = float) -> jax.Array:
    return jax.random.uniform(key, shape, dtype, -bound, bound)

  return init
