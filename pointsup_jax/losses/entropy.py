"""How unsure the segmenter is, normalised so that 1 is 'no idea'."""

import math

import jax
import jax.numpy as jnp


def self_information(logits: jax.Array) -> jax.Array:
  """-p log2(p) / log2(C) of each class, p = softmax(logits) (Eq. 2).

  The published code has p * log2(p + 1e-30), against the log of zero. The log
  of a softmax needs no such guard; the two differ by less than 1e-27.

  Args:
    logits: [B, H, W, C].

  Returns:
    [B, H, W, C] float32, within [0, 1]; what the discriminators see.
  """
  log_p = jax.nn.log_softmax(logits.astype(jnp.float32))
  return -jnp.exp(log_p) * log_p / math.log(logits.shape[-1])


def entropy(logits: jax.Array, axis: int = -1) -> jax.Array:
  """The sum of the self-information over the classes.

  With d = logits - max and S = sum(exp(d)), it is log S - sum(exp(d) d) / S:
  one exponential a class, and no product of a zero with a logarithm of it.

  Args:
    logits: the classes lie on `axis`.
    axis: which is not in the result.

  Returns:
    float32, 0 (certain) to 1 (uniform).
  """
  logits = logits.astype(jnp.float32)
  highest = jnp.max(logits, axis, keepdims=True)
  d = logits - jax.lax.stop_gradient(highest)
  powers = jnp.exp(d)
  total = jnp.sum(powers, axis)
  nats = jnp.log(total) - jnp.sum(powers * d, axis) / total
  return nats / math.log(logits.shape[axis])


def mean_entropy(logits: jax.Array) -> jax.Array:
  """The mean of the entropy over all pixels: MinEnt's loss.

  Args:
    logits: [B, H, W, C].

  Returns:
    A float32 scalar.
  """
  return jnp.mean(entropy(logits))
