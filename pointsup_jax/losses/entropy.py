"""Entropy of predictions, normalised to [0, 1]."""

import math

import jax
import jax.numpy as jnp


def self_information(logits: jax.Array) -> jax.Array:
  """-p log2(p) / log2(C) per class, p = softmax(logits) (Eq. 2).

  The input of AdvEnt's discriminators: [B, H, W, C] -> at least float32, 0..1.
  The published code has p * log2(p + 1e-30); the log of a softmax needs no such
  guard and differs by less than 1e-27.
  """
  exact = jnp.promote_types(logits.dtype, jnp.float32)
  log_p = jax.nn.log_softmax(logits.astype(exact))
  return -jnp.exp(log_p) * log_p / math.log(logits.shape[-1])


def entropy(logits: jax.Array, axis: int = -1) -> jax.Array:
  """Entropy over the classes on `axis`: float32, 0 (certain) to 1 (uniform).

  (log S - sum(exp(d) d) / S) / log C with d = logits - max and S = sum(exp(d)):
  one exponential per class, and no 0 * log(0).
  """
  logits = logits.astype(jnp.float32)
  highest = jnp.max(logits, axis, keepdims=True)
  d = logits - jax.lax.stop_gradient(highest)
  powers = jnp.exp(d)
  total = jnp.sum(powers, axis)
  nats = jnp.log(total) - jnp.sum(powers * d, axis) / total
  return nats / math.log(logits.shape[axis])


def mean_entropy(logits: jax.Array) -> jax.Array:
  """Mean entropy of logits [B, H, W, C] over all pixels: MinEnt's loss."""
  return jnp.mean(entropy(logits))
