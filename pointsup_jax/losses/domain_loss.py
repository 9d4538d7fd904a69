"""The game between segmenter and discriminators."""

import jax
import jax.numpy as jnp
import optax

# The published code encodes source = 0, target = 1; the paper says source = 1.
# They mirror each other; the reference numbers need the code's encoding.
SOURCE = 0.0
TARGET = 1.0


def bce(logits: jax.Array, label: float) -> jax.Array:
  """Mean binary cross-entropy of domain logits with one label (Eqs. 3, 4).

  Args:
    logits: any shape; the logit of 'target'.
    label: SOURCE or TARGET.

  Returns:
    A float32 scalar.
  """
  logits = logits.astype(jnp.float32)
  labels = jnp.full_like(logits, label)
  return jnp.mean(optax.losses.sigmoid_binary_cross_entropy(logits, labels))
