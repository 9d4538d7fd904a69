"""Cross-entropy with labels, of all pixels or of a few points."""

import jax
import jax.numpy as jnp

from pointsup_jax import types


def cross_entropy(
  logits: jax.Array, labels: types.Array
) -> tuple[jax.Array, jax.Array]:
  """Sum of -log softmax(logits)[label] over the pixels that count (Eq. 1).

  Args:
    logits: [B, H, W, C].
    labels: [B, H, W] integer, 0..C-1, or 255 = ignore.

  Returns:
    The sum and the number of pixels in it, two float32 scalars; `mean` divides
    them.
  """
  logits = logits.astype(jnp.float32)
  labels = jnp.asarray(labels)
  counted = labels != types.IGNORE
  # A comparison, not a gather: the gather's gradient is a slow scatter.
  chosen = labels[..., None] == jnp.arange(logits.shape[-1])
  chosen_logits = jnp.sum(jnp.where(chosen, logits, 0.0), axis=-1)
  losses = jax.nn.logsumexp(logits, axis=-1) - chosen_logits
  total = jnp.sum(jnp.where(counted, losses, 0.0))
  return total, jnp.sum(counted, dtype=jnp.int32).astype(jnp.float32)


def mean(total: jax.Array, count: jax.Array) -> jax.Array:
  """total / count, and 0 (with a gradient of 0) where nothing was counted."""
  return total / jnp.maximum(count, 1.0)
