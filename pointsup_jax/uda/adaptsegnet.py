"""AdaptSegNet (Tsai et al., CVPR 2018): adversarial alignment of outputs."""

import jax
import jax.numpy as jnp

from pointsup_jax.types import Outputs
from pointsup_jax.uda import adversarial


def adaptsegnet(weights: Outputs) -> adversarial.Adversarial:
  """Discriminators see the softmax of the logits."""
  return adversarial.Adversarial(probabilities, weights)


def probabilities(logits: jax.Array) -> jax.Array:
  """Softmax over the classes: [B, H, W, C] -> [B, H, W, C] float32."""
  return jax.nn.softmax(logits.astype(jnp.float32))
