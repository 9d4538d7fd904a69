"""CLAN (Luo et al., CVPR 2019): aligns most where two classifiers disagree.

Losses and constants are those of the published code (RoyalVane/CLAN c40ab0b).
"""

import functools

import jax
import jax.numpy as jnp
import optax
from jax import flatten_util

from pointsup_jax.losses import domain_loss, segmentation
from pointsup_jax.models import upsample
from pointsup_jax.types import Array, Metrics, Outputs
from pointsup_jax.uda import adversarial, strategy
from pointsup_jax.uda.scene import Scene, Seen

_HEADS_WEIGHT = 2 * 0.01  # lambda_weight; the code counts it twice
_AGREEMENT = 0.4  # weight of a pixel on which the heads agree, epsilon
_SMALLEST = 1e-9  # label probabilities are clipped to [it, 1 - it]


def clan(settings: strategy.Settings) -> strategy.Strategy:
  """The heads' parameters repel; their disagreement weights the opponent.

  The heads' cross-entropies weigh the same: losses.aux is 1.
  """
  return strategy.Strategy(
    players={'main': adversarial.OPPONENT},
    moves=(
      strategy.Move(
        strategy.SEGMENTER,
        functools.partial(fool, settings=settings),
        supervised=True,
      ),
      strategy.Move(
        ('main',),
        functools.partial(tell_apart, settings=settings),
        fresh=False,
      ),
    ),
    pixel_losses=focal,
    model={'aux_reads': 'conv5', 'prediction': 'sum'},
  )


def fool(
  scene: Scene, *, settings: strategy.Settings
) -> tuple[jax.Array, Metrics]:
  """Adversarial loss, also through its weights, and the heads' likeness."""
  losses = domain_loss.losses(judged(scene, scene.target), domain_loss.SOURCE)
  adversarial = jnp.mean(pixel_weights(scene, settings) * losses)
  heads = (scene.params['heads'][f'{name}_head'] for name in Outputs._fields)
  alike = likeness(*heads)
  damping = (settings.decay_steps - scene.step) / settings.decay_steps
  loss = settings.weights.main * adversarial + _HEADS_WEIGHT * alike
  return damping * loss, {'fool_main': adversarial, 'heads_alike': alike}


def tell_apart(
  scene: Scene, *, settings: strategy.Settings
) -> tuple[jax.Array, Metrics]:
  """The discriminator's losses on source and target, neither halved."""
  source = domain_loss.bce(judged(scene, scene.source), domain_loss.SOURCE)
  losses = domain_loss.losses(judged(scene, scene.target), domain_loss.TARGET)
  target = jnp.mean(pixel_weights(scene, settings) * losses)
  return source + target, {
    'opponent_source': source,
    'opponent_target': target,
  }


def judged(scene: Scene, seen: Seen) -> jax.Array:
  """Domain logits of the prediction, at the images' size: [B, H, W]."""
  maps = jax.nn.softmax(seen.logits.aux + seen.logits.main)
  size = (maps.shape[1], maps.shape[2])
  return upsample.bilinear(scene.ask('main', maps), size)[..., 0]


def pixel_weights(scene: Scene, settings: strategy.Settings) -> jax.Array:
  """Of the target's pixels, [B, H, W]; 1 during the warm-up."""
  local = _AGREEMENT + settings.disagreement * disagreement(scene.target.logits)
  return jnp.where(scene.step > settings.warmup_steps, local, 1.0)


def disagreement(logits: Outputs) -> jax.Array:
  """1 - cosine of both heads' softmaxes: [B, H, W, C] -> [B, H, W]."""
  return optax.losses.cosine_distance(*map(jax.nn.softmax, logits))


def likeness(one: dict, other: dict) -> jax.Array:
  """Cosine of all parameters of two heads, plus 1."""
  vectors = (flatten_util.ravel_pytree(head)[0] for head in (one, other))
  return optax.losses.cosine_similarity(*vectors) + 1


def focal(logits: jax.Array, labels: Array) -> jax.Array:
  """-(1 - q)^2 ln q, q the label's probability, clipped: [B, H, W].

  Where q is clipped, the gradient is 0.
  """
  q = jnp.exp(-segmentation.pixel_losses(logits, labels))
  q = jnp.clip(q, _SMALLEST, 1 - _SMALLEST)
  return -((1 - q) ** 2) * jnp.log(q)
