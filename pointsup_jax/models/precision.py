"""How exactly accelerators multiply."""

import contextlib

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike


def exact(dtype: DTypeLike) -> contextlib.AbstractContextManager:
  """Products traced within the block are of `dtype`, if that is float32.

  By default, GPUs round the factors to 10 bits (TF32) and TPUs to 7 (bfloat16).
  JAX_DEFAULT_MATMUL_PRECISION, if set, decides instead. Lower dtypes keep the
  default. Gradients have the precision of the products that they are of.
  """
  if jnp.dtype(dtype) != jnp.float32:
    return contextlib.nullcontext()
  chosen = jax.config.jax_default_matmul_precision  # type: ignore[attr-defined]
  return jax.default_matmul_precision(chosen or 'highest')
