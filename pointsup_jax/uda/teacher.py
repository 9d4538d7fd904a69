"""Self-training with a teacher, as DACS, DAFormer and MIC do it.

The teacher, a running average of the segmenter, labels the target image; the
segmenter learns from an image into which half of the source's classes are
pasted (ClassMix; Tranheden et al., WACV 2021; Hoyer et al., CVPR 2022), and
optionally from the target image with blocks hidden (Hoyer et al., CVPR 2023).
People's answers take the place of the teacher's labels.
"""

import functools

import jax
import jax.numpy as jnp

from pointsup_jax.losses import segmentation
from pointsup_jax.types import IGNORE, Batch, Metrics, Outputs
from pointsup_jax.uda import augmenting, strategy
from pointsup_jax.uda.scene import Scene

DECAY = 0.999  # of the average; DAFormer's, DACS has 0.99
CONFIDENT = 0.968  # probability of pixels that count for the weight
HIDDEN_SHARE = 0.7  # MIC's
BLOCKS = 16  # MIC's blocks in a row: 64 pixels of 1024


def teacher(settings: strategy.Settings) -> strategy.Strategy:
  """DACS: learns from mixed images."""
  return _self_training(settings, hidden=False)


def masked_teacher(settings: strategy.Settings) -> strategy.Strategy:
  """DACS and MIC: also learns from target images with blocks hidden."""
  return _self_training(settings, hidden=True)


def _self_training(
  settings: strategy.Settings, *, hidden: bool
) -> strategy.Strategy:
  views = ('mixed', 'hidden') if hidden else ('mixed',)
  loss = functools.partial(
    follow_teacher, views=views, weights=settings.weights
  )
  return strategy.Strategy(
    players={'teacher': strategy.Copy(follows=DECAY)},
    views=functools.partial(make_views, hidden=hidden),
    moves=(strategy.Move(strategy.SEGMENTER, loss, supervised=True),),
  )


def make_views(scene: Scene, *, hidden: bool) -> dict[str, Batch]:
  """The mixed images and, if asked, the target's with hidden blocks."""
  target = taught(scene)
  of_mix, of_colours, of_more, of_blocks = jax.random.split(scene.key, 4)
  classes = scene.target.logits.main.shape[-1]
  mixed = augmenting.class_mix(of_mix, scene.source.batch, target, classes)
  images = augmenting.jitter(of_colours, mixed.images)
  views = {'mixed': mixed._replace(images=images)}
  if hidden:
    images = augmenting.jitter(of_more, target.images)
    block = max(target.images.shape[2] // BLOCKS, 1)
    images = augmenting.hide_blocks(of_blocks, images, block, HIDDEN_SHARE)
    views['hidden'] = target._replace(images=images)
  return views


def taught(scene: Scene) -> Batch:
  """The target with the teacher's labels, and people's where there are any.

  The weight of the teacher's is the share of pixels of the batch on which it
  is confident; that of people's is 1.
  """
  batch = scene.target.batch
  logits = scene.look('teacher', batch).logits.main
  confident = jnp.max(jax.nn.softmax(logits), axis=-1) >= CONFIDENT
  guessed = jnp.argmax(logits, axis=-1).astype(jnp.uint8)
  answered = jnp.asarray(batch.labels) != IGNORE
  if batch.answered is not None:
    answered &= batch.answered
  return Batch(
    images=batch.images,
    labels=jnp.where(answered, batch.labels, guessed),
    weights=jnp.where(answered, 1.0, jnp.mean(confident, dtype=jnp.float32)),
  )


def follow_teacher(
  scene: Scene, *, views: tuple[str, ...], weights: Outputs
) -> tuple[jax.Array, Metrics]:
  """Cross-entropy on the views' labels, each pixel by its weight."""
  loss, metrics = jnp.zeros(()), {}
  for view in views:
    seen = scene.seen[view]
    for head, logits in seen.logits._asdict().items():
      term = weighted_mean(logits, seen.batch)
      loss += getattr(weights, head) * term
      metrics[f'{view}_{head}'] = term
  # The weight of the teacher's labels, unless none of them is left.
  weights_of_mix = jnp.asarray(scene.seen['mixed'].batch.weights)
  metrics['confidence'] = jnp.min(weights_of_mix)
  return loss, metrics


def weighted_mean(logits: jax.Array, batch: Batch) -> jax.Array:
  """Mean over labelled pixels of their weighted cross-entropies."""
  assert batch.weights is not None
  losses = segmentation.pixel_losses(logits, batch.labels) * batch.weights
  labelled = jnp.asarray(batch.labels) != IGNORE
  return segmentation.mean(*segmentation.total(losses, labelled))
