"""Cross-entropy on all pixels or on a few points."""

import jax
import jax.numpy as jnp

from pointsup_jax import types


def pixel_losses(logits: jax.Array, labels: types.Array) -> jax.Array:
  """-log softmax(logits)[label] per pixel, 0 where the label is 255 (Eq. 1).

  `logits` are [B, H, W, C], `labels` [B, H, W] integer, 0..C-1 or 255 = ignore.
  Returns [B, H, W], at least float32.
  """
  logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
  labels = jnp.asarray(labels)
  # A comparison, not a gather: the gather's gradient is a slow scatter.
  chosen = labels[..., None] == jnp.arange(logits.shape[-1])
  chosen_logits = jnp.sum(jnp.where(chosen, logits, 0.0), axis=-1)
  losses = jax.nn.logsumexp(logits, axis=-1) - chosen_logits
  return jnp.where(labels != types.IGNORE, losses, 0.0)


def total(losses: jax.Array, counted: jax.Array) -> tuple[jax.Array, jax.Array]:
  """Sum and number, float32 scalars, of the losses [B, H, W] where counted."""
  count = jnp.sum(counted, dtype=jnp.int32).astype(jnp.float32)
  return jnp.sum(jnp.where(counted, losses, 0.0)), count


def cross_entropy(
  logits: jax.Array, labels: types.Array
) -> tuple[jax.Array, jax.Array]:
  """Sum of `pixel_losses`, and the number of pixels not labelled 255."""
  counted = jnp.asarray(labels) != types.IGNORE
  return total(pixel_losses(logits, labels), counted)


def mean(total: jax.Array, count: jax.Array) -> jax.Array:
  """total / count; 0, with a gradient of 0, if nothing was counted."""
  return total / jnp.maximum(count, 1.0)
