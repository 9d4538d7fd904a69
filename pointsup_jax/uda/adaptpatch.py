"""AdaptPatch (Tsai et al., ICCV 2019): patches of both domains look alike.

A reconstruction: no code was published, and not all of the paper was at hand;
see docs/METHODS.md. Its method is patented, US 11,604,943.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from pointsup_jax.losses import domain_loss, segmentation
from pointsup_jax.models import discriminator
from pointsup_jax.types import IGNORE, Metrics
from pointsup_jax.uda import adversarial, patches, strategy
from pointsup_jax.uda.scene import Scene, Seen

CLUSTERS = 50  # the paper's K
MODES, FOOLING = 0.01, 0.0005  # the paper's weights of the segmenter's losses
WIDTH = 256  # chosen: of the layer that predicts clusters

PREDICTOR = strategy.Player(
  build=lambda sizes: discriminator.Pixelwise(
    (WIDTH, CLUSTERS), slope=0.0, products=sizes.products
  ),
  inputs=lambda sizes: ((1, 1, 1, sizes.num_classes),),
  optimizer='head',
)
OPPONENT = strategy.Player(
  build=lambda sizes: discriminator.Pixelwise(
    (256, 512, 1), products=sizes.products
  ),
  inputs=lambda sizes: ((1, 1, 1, CLUSTERS),),
)


def adaptpatch(settings: strategy.Settings) -> strategy.Strategy:
  """Joins alignment of patches with AdaptSegNet's two opponents."""
  both = adversarial.adversarial(jax.nn.softmax, settings.weights)
  segmenter, *opponents = both.moves
  loss = functools.partial(align, settings=settings)
  return strategy.Strategy(
    players={**both.players, 'modes': PREDICTOR, 'patches': OPPONENT},
    moves=(
      segmenter._replace(parts=(*strategy.SEGMENTER, 'modes'), loss=loss),
      *opponents,
      strategy.Move(('patches',), tell_apart, fresh=False),
    ),
    needs=('patch_clusters',),
  )


def align(
  scene: Scene, *, settings: strategy.Settings
) -> tuple[jax.Array, Metrics]:
  """Fools three opponents and predicts clusters of the source's patches."""
  loss, terms = adversarial.fool(
    scene, maps=jax.nn.softmax, weights=settings.weights
  )
  assert settings.centres is not None  # computed before training
  modes = predicted(scene, scene.source, settings.centres)
  judged = scene.ask('patches', probabilities(scene, scene.target))
  fool = domain_loss.bce(judged, domain_loss.SOURCE)
  loss += MODES * modes + FOOLING * fool
  return loss, {**terms, 'modes': modes, 'fool_patches': fool}


def scores(scene: Scene, seen: Seen) -> jax.Array:
  """Logits [B, U, V, K] of the clusters, from mean class probabilities."""
  return scene.ask('modes', patches.means(jax.nn.softmax(seen.logits.main)))


def probabilities(scene: Scene, seen: Seen) -> jax.Array:
  """Probabilities [B, U, V, K] of the clusters."""
  return jax.nn.softmax(scores(scene, seen))


def predicted(scene: Scene, seen: Seen, centres: np.ndarray) -> jax.Array:
  """Cross-entropy with the clusters of the labels, over labelled patches."""
  num_classes = seen.logits.main.shape[-1]
  shares, labelled = patches.histograms(seen.batch.labels, num_classes)
  modes = patches.nearest(shares, centres)
  wanted = jnp.where(labelled, modes, IGNORE)
  return segmentation.mean(
    *segmentation.cross_entropy(scores(scene, seen), wanted)
  )


def tell_apart(scene: Scene) -> tuple[jax.Array, Metrics]:
  """Mean of the opponent's losses on each patch by itself."""
  on_source, on_target = adversarial.on_both(
    scene, lambda seen: scene.ask('patches', probabilities(scene, seen))
  )
  loss = (on_source + on_target) / 2
  return loss, {'opponent_patches': loss}
