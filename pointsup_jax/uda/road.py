"""ROAD (Chen, Li, Van Gool, CVPR 2018): distillation, and nine regions.

From the paper's equations: no code was published.
"""

import jax
import jax.numpy as jnp
import numpy as np

from pointsup_jax.losses import domain_loss
from pointsup_jax.models import discriminator
from pointsup_jax.types import Array, Metrics
from pointsup_jax.uda import strategy
from pointsup_jax.uda.scene import Scene

# Weights of the segmenter's terms, of a re-implementation of ROAD.
DISTILLATION = 0.1
SPATIAL = 0.01
GRID = 3  # rows and columns of regions (the paper)

# A classifier per region (the paper), of one hidden layer (chosen): 256
# channels at the published width of discriminators.
REGIONS = strategy.Player(
  build=lambda sizes: discriminator.Pixelwise(
    (4 * sizes.width, GRID**2), products=sizes.products
  ),
  inputs=lambda sizes: ((1, 1, 1, sizes.conv5),),
)


def road(settings: strategy.Settings) -> strategy.Strategy:
  """Target features stay near those of ImageNet; regions are aligned apart."""
  del settings
  return strategy.Strategy(
    players={'regions': REGIONS, 'teacher': strategy.Copy(of='weights')},
    moves=(
      strategy.Move(strategy.SEGMENTER, adapt, supervised=True),
      strategy.Move(('regions',), tell_apart, fresh=False),
    ),
    needs=('weights',),
  )


def adapt(scene: Scene) -> tuple[jax.Array, Metrics]:
  """Distils on the target, and does the opposite of what the regions do."""
  teacher = scene.look('teacher', scene.target.batch)
  distilled = distance(scene.target.taps['conv5'], teacher.taps['conv5'])
  loss = DISTILLATION * distilled - SPATIAL * spatial(scene)
  return loss, {'distillation': distilled}


def tell_apart(scene: Scene) -> tuple[jax.Array, Metrics]:
  """The classifiers' loss, of which `adapt` takes the negative."""
  loss = spatial(scene)
  return loss, {'opponent_regions': loss}


def distance(one: jax.Array, other: jax.Array) -> jax.Array:
  """Mean over positions of the Euclidean distance of features [B, h, w, D].

  Features are equal, and the gradient is 0, if they differ by no more than
  rounding does, as where training starts from the teacher: the gradient of a
  distance has length 1 however small it is, so it would point where the
  rounding does, which depends on the compiler and the devices.
  """
  exact = jnp.promote_types(one.dtype, jnp.float32)
  rounding = jnp.finfo(one.dtype).eps  # of a square, relative
  one, other = one.astype(exact), other.astype(exact)
  squares = jnp.sum((one - other) ** 2, axis=-1)
  apart = squares > rounding * jnp.sum(other**2, axis=-1)
  roots = jnp.sqrt(jnp.where(apart, squares, 1.0))
  return jnp.mean(jnp.where(apart, roots, 0.0))


def spatial(scene: Scene) -> jax.Array:
  """Mean of the nine classifiers' losses on source and target features."""
  on_source, on_target = (
    jnp.mean(region_losses(scene.ask('regions', seen.taps['conv5']), label))
    for seen, label in (
      (scene.source, domain_loss.SOURCE),
      (scene.target, domain_loss.TARGET),
    )
  )
  return (on_source + on_target) / 2


def region_losses(logits: jax.Array, label: float) -> jax.Array:
  """Each classifier's mean loss in its own region, [9].

  `logits` [B, h, w, 9] are of all classifiers at all positions.
  """
  own = regions(*logits.shape[1:3])[..., None] == np.arange(GRID**2)
  losses = jnp.where(own, domain_loss.losses(logits, label), 0.0)
  counts = len(logits) * np.maximum(np.sum(own, axis=(0, 1)), 1)
  return jnp.sum(losses, axis=(0, 1, 2)) / counts


def regions(height: int, width: int) -> Array:
  """The region's number at each position [height, width], row by row."""
  rows, columns = (GRID * np.arange(size) // size for size in (height, width))
  return GRID * rows[:, None] + columns
