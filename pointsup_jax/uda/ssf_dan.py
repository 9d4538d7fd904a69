"""SSF-DAN (Du et al., ICCV 2019): a reconstruction.

Its training code was never published. What follows has what the abstract names:
features separated by class, more confident as training goes on, and a larger
weight of the classes that are adapted poorly. The formulas are ours.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from pointsup_jax.losses import domain_loss
from pointsup_jax.models import discriminator
from pointsup_jax.types import IGNORE, Array, Metrics
from pointsup_jax.uda import strategy
from pointsup_jax.uda.scene import Scene, Seen

WEIGHT = 1e-3  # of the segmenter's term; AdaptSegNet's main head's, and FADA's
SUREST = 0.9  # chosen: the confidence that target positions need in the end
RISE = 0.5  # chosen: share of the phase in which it rises to that

# A discriminator per class (the paper), as FADA's but of 1x1 convolutions
# (chosen): 512 and 256 channels at the published width of discriminators.
CLASSES = strategy.Player(
  build=lambda sizes: discriminator.Pixelwise(
    (8 * sizes.width, 4 * sizes.width, sizes.num_classes),
    products=sizes.products,
  ),
  inputs=lambda sizes: ((1, 1, 1, sizes.conv5),),
)


def ssf_dan(settings: strategy.Settings) -> strategy.Strategy:
  """Features of each class face a discriminator of their own."""
  mine = functools.partial(fool, steps=settings.steps)
  theirs = functools.partial(tell_apart, steps=settings.steps)
  return strategy.Strategy(
    players={'classes': CLASSES},
    moves=(
      strategy.Move(strategy.SEGMENTER, mine, supervised=True),
      strategy.Move(('classes',), theirs, fresh=False),
    ),
  )


def fool(scene: Scene, *, steps: int) -> tuple[jax.Array, Metrics]:
  """Target features pass for the source's, poorly adapted classes first."""
  classes = confident(scene.target, threshold(scene.step, steps))
  judged = scene.ask('classes', scene.target.taps['conv5'])
  loss = reweighted(*per_class(judged, classes, domain_loss.SOURCE))
  return WEIGHT * loss, {'fool_classes': loss}


def tell_apart(scene: Scene, *, steps: int) -> tuple[jax.Array, Metrics]:
  """Half the mean over the source's classes, and half over the target's."""
  source, target = scene.source, scene.target
  sure = confident(target, threshold(scene.step, steps))
  on_source, on_target = (
    over_present(*per_class(scene.ask('classes', x.taps['conv5']), y, label))
    for x, y, label in (
      (source, labelled(source), domain_loss.SOURCE),
      (target, sure, domain_loss.TARGET),
    )
  )
  loss = (on_source + on_target) / 2
  return loss, {'opponent_classes': loss}


def threshold(step: jax.Array, steps: int) -> jax.Array:
  """The confidence that target positions need."""
  return SUREST * jnp.minimum(step / (RISE * steps), 1.0)


def confident(seen: Seen, least: float | jax.Array) -> jax.Array:
  """Predicted classes [B, h, w] where they are this probable, else 255."""
  probabilities = jax.nn.softmax(seen.small.main)
  surest = jnp.max(probabilities, axis=-1) >= least
  return jnp.where(surest, jnp.argmax(probabilities, axis=-1), IGNORE)


def labelled(seen: Seen) -> Array:
  """Labels [B, h, w] of the pixels at the features' positions."""
  labels = seen.batch.labels
  rows, columns = (
    # As `upsample` has it, the corners are aligned.
    np.rint(np.linspace(0, labels.shape[axis] - 1, positions)).astype(int)
    for axis, positions in enumerate(seen.small.main.shape[1:3], start=1)
  )
  return labels[:, rows[:, None], columns]


def per_class(
  judged: jax.Array, classes: Array, label: float
) -> tuple[jax.Array, jax.Array]:
  """Each discriminator's mean loss on its own class, and whether it is there.

  Args:
    judged: logits [B, h, w, C] of all discriminators at all positions.
    classes: [B, h, w], 255 where a position is of none.
    label: SOURCE or TARGET.

  Returns:
    [C], 0 for absent classes, and [C] bool.
  """
  own = classes[..., None] == jnp.arange(judged.shape[-1])
  losses = jnp.where(own, domain_loss.losses(judged, label), 0.0)
  counts = jnp.sum(own, axis=(0, 1, 2))
  return jnp.sum(losses, axis=(0, 1, 2)) / jnp.maximum(counts, 1), counts > 0


def over_present(losses: jax.Array, present: jax.Array) -> jax.Array:
  """Mean of `per_class` over the classes that are there; 0 if none is."""
  return jnp.sum(losses) / jnp.maximum(jnp.sum(present), 1)


def reweighted(losses: jax.Array, present: jax.Array) -> jax.Array:
  """The same, each class weighted by its share of the mean, a constant."""
  mean = over_present(losses, present)
  # Without confident positions, or with a perfect score, all are 0.
  weights = losses / jnp.maximum(mean, jnp.finfo(mean.dtype).tiny)
  return over_present(jax.lax.stop_gradient(weights) * losses, present)
