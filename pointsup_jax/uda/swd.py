"""SWD (Lee et al., CVPR 2019): two classifiers disagree, the backbone agrees.

No code for segmentation was published. The distance is that of Apple's demo
(apple/ml-cvpr2019-swd 9791e86), the moves are those of MCD (mil-tokyo/MCD_DA
af10217), with one turn of the backbone in place of four.
"""

import functools

import jax
import jax.numpy as jnp

from pointsup_jax.types import Metrics
from pointsup_jax.uda import source_only, strategy
from pointsup_jax.uda.scene import Scene

_PROJECTIONS = 128
_TURNS = 1  # of the backbone in a step; MCD's k


def swd(settings: strategy.Settings) -> strategy.Strategy:
  """All learn the source, the heads part on the target, the backbone follows.

  The heads' cross-entropies weigh the same: losses.aux is 1.
  """
  weight = settings.weights.main
  return strategy.Strategy(
    moves=(
      strategy.Move(
        strategy.SEGMENTER,
        source_only.nothing,
        looks_at=('source',),
        supervised=True,
      ),
      strategy.Move(
        ('heads',),
        functools.partial(distance, weight=-weight, name='distance_heads'),
        supervised=True,
      ),
      strategy.Move(
        ('backbone',),
        functools.partial(distance, weight=weight, name='distance_backbone'),
        looks_at=('target',),
        turns=_TURNS,
      ),
    ),
    model={'aux_reads': 'conv5', 'prediction': 'mean'},
  )


def distance(
  scene: Scene, *, weight: jax.Array | float, name: str
) -> tuple[jax.Array, Metrics]:
  """Weighted distance of the heads' predictions at stride 8."""
  one, other = map(jax.nn.softmax, scene.target.small)
  value = sliced_wasserstein(one, other, directions(scene.key, one.shape[-1]))
  return weight * value, {name: value}


def directions(key: jax.Array, channels: int) -> jax.Array:
  """Random directions of length 1: [C, 128]."""
  drawn = jax.random.normal(key, (channels, _PROJECTIONS))
  return drawn / jnp.linalg.norm(drawn, axis=0)


def sliced_wasserstein(
  one: jax.Array, other: jax.Array, directions: jax.Array
) -> jax.Array:
  """Mean over images, which are sets of vectors, of their squared distances.

  `one` and `other` are [B, h, w, C], `directions` [C, D]. Projections on each
  direction are sorted separately, so positions do not matter. Sets of a batch
  are never joined: that is another number.
  """

  def ranked(x: jax.Array) -> jax.Array:  # [B, h * w, D]
    vectors = x.reshape(x.shape[0], -1, x.shape[-1])
    # Without 'highest', accelerators round the factors.
    return jnp.sort(
      jnp.matmul(vectors, directions, precision='highest'), axis=1
    )

  return jnp.mean((ranked(one) - ranked(other)) ** 2)
