"""Adversarial loss between segmenter and discriminators."""

import jax
import jax.numpy as jnp
import optax

# As in the published code; the paper has source = 1. They are equivalent, but
# the reference numbers need the code's encoding.
SOURCE = 0.0
TARGET = 1.0


def losses(logits: jax.Array, label: float) -> jax.Array:
  """Binary cross-entropy of each of the logits with one label (Eqs. 3, 4).

  `logits` have any shape and are those of 'target'; `label` is SOURCE or
  TARGET. Returns their shape, at least float32.
  """
  logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
  labels = jnp.full_like(logits, label)
  return optax.losses.sigmoid_binary_cross_entropy(logits, labels)


def bce(logits: jax.Array, label: float) -> jax.Array:
  """Mean of `losses`, a scalar."""
  return jnp.mean(losses(logits, label))
