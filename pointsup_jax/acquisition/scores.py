"""How unsure the segmenter is about each pixel: higher means ask first.

Every score is a pure function of logits with values within [0, 1], so that one
can take the place of another.
"""

import jax
import jax.numpy as jnp

from pointsup_jax.losses import entropy as entropy_lib

NAMES = ('entropy', 'margin', 'least_confidence')


def entropy(logits: jax.Array) -> jax.Array:
  """Entropy of the class probabilities over log C (Eq. 5).

  Args:
    logits: [B, H, W, C].

  Returns:
    [B, H, W] float32; 1 where all classes are equally likely.
  """
  return entropy_lib.entropy(logits)


def margin(logits: jax.Array) -> jax.Array:
  """1 - (p1 - p2), the two highest probabilities ('breaking ties').

  Args:
    logits: [B, H, W, C].

  Returns:
    [B, H, W] float32; 1 where the two best classes are equally likely.
  """
  probabilities = jax.nn.softmax(logits.astype(jnp.float32))
  # A second maximum rather than top_k, which sorts every pixel's classes.
  best = jnp.argmax(probabilities, axis=-1, keepdims=True)
  is_best = best == jnp.arange(logits.shape[-1])
  first = jnp.max(probabilities, axis=-1)
  second = jnp.max(jnp.where(is_best, 0.0, probabilities), axis=-1)
  return 1.0 - (first - second)


def least_confidence(logits: jax.Array) -> jax.Array:
  """1 - p1, where p1 is the highest probability.

  Args:
    logits: [B, H, W, C].

  Returns:
    [B, H, W] float32; 1 - 1 / C where all classes are equally likely.
  """
  probabilities = jax.nn.softmax(logits.astype(jnp.float32))
  return 1.0 - jnp.max(probabilities, axis=-1)
