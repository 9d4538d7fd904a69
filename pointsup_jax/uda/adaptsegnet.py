"""AdaptSegNet (Tsai et al., CVPR 2018): adversarial alignment of outputs."""

import jax
import jax.numpy as jnp

from pointsup_jax.uda import adversarial, strategy


def adaptsegnet(settings: strategy.Settings) -> strategy.Strategy:
  """Discriminators see the softmax of the logits."""
  return adversarial.adversarial(probabilities, settings.weights)


def probabilities(logits: jax.Array) -> jax.Array:
  """Softmax over the classes: [B, H, W, C] -> [B, H, W, C] float32."""
  return jax.nn.softmax(logits.astype(jnp.float32))
