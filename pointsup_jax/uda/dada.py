"""DADA (Vu et al., ICCV 2019): depth of the source as privileged knowledge.

A branch of the segmenter (`models.depth_branch`) learns the source's inverse
depth, the main head reads features fused with it, and the opponent sees
self-information times predicted depth.
"""

import functools

import jax
import jax.numpy as jnp

from pointsup_jax.losses import domain_loss, entropy
from pointsup_jax.models import upsample
from pointsup_jax.types import Array, Metrics, Outputs
from pointsup_jax.uda import adversarial, strategy
from pointsup_jax.uda.scene import Scene, Seen

# valeoai/DADA, dada/domain_adaptation/config.py.
_DEPTH_WEIGHT = 0.001
# berHu's threshold, as a share of the largest error (dada/utils/func.py).
_THRESHOLD = 0.2


def dada(settings: strategy.Settings) -> strategy.Strategy:
  """Depth on the source, and an opponent of the main head alone."""
  fool = functools.partial(learn_and_fool, weights=settings.weights)
  return strategy.Strategy(
    players={'main': adversarial.OPPONENT},
    moves=(
      strategy.Move(strategy.SEGMENTER, fool, supervised=True),
      strategy.Move(('main',), tell_apart, fresh=False),
    ),
    model={'backbone': 'resnet', 'depth': True},
    needs=('depth',),
  )


def learn_and_fool(
  scene: Scene, *, weights: Outputs
) -> tuple[jax.Array, Metrics]:
  """berHu of the source's depth, and target maps called source."""
  known = scene.source.batch.depth
  assert known is not None  # the strategy needs it
  depth = berhu(predicted_depth(scene.source)[..., 0], inverse_depth(known))
  judged = scene.ask('main', maps(scene.target))
  fool = domain_loss.bce(judged, domain_loss.SOURCE)
  loss = _DEPTH_WEIGHT * depth + weights.main * fool
  return loss, {'depth_source': depth, 'fool_main': fool}


def tell_apart(scene: Scene) -> tuple[jax.Array, Metrics]:
  """The sum, not the mean as in AdvEnt, of both domains' losses."""
  source, target = adversarial.on_both(
    scene, lambda seen: scene.ask('main', maps(seen))
  )
  return source + target, {'opponent_main': source + target}


def maps(seen: Seen) -> jax.Array:
  """What the opponent sees, [B, H, W, C]; both factors are enlarged first."""
  return entropy.self_information(seen.logits.main) * predicted_depth(seen)


def predicted_depth(seen: Seen) -> jax.Array:
  """The predicted inverse depth at the images' size: [B, H, W, 1]."""
  _, height, width, _ = seen.logits.main.shape
  return upsample.bilinear(seen.taps['depth'], (height, width))


def inverse_depth(depth: Array) -> jax.Array:
  """65536 / (centimetres + 1): 1 where it is far, hundreds nearby."""
  return 65536 / (jnp.asarray(depth).astype(jnp.float32) + 1)


def berhu(predicted: jax.Array, known: jax.Array) -> jax.Array:
  """Mean reverse Huber loss of depths of one shape; 0 if they are equal.

  Errors are squared beyond a share of the largest one in the batch, which
  passes no gradient.
  """
  error = predicted - known
  # The gradient of |0| is 0 as in torch; JAX has 1.
  error = jnp.where(error == 0, 0, jnp.abs(error))
  threshold = jax.lax.stop_gradient(_THRESHOLD * jnp.max(error))
  small = error <= threshold
  # Both branches of a `where` are differentiated: no division by 0 in either.
  divisor = 2 * jnp.where(threshold > 0, threshold, 1)
  return jnp.mean(jnp.where(small, error, (error**2 + threshold**2) / divisor))
