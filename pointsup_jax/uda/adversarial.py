"""Adversarial training, shared by AdvEnt and AdaptSegNet."""

import functools
from collections.abc import Callable

import jax

from pointsup_jax.losses import domain_loss
from pointsup_jax.models import discriminator
from pointsup_jax.types import Metrics, Outputs
from pointsup_jax.uda import strategy
from pointsup_jax.uda.scene import Scene, Seen

Maps = Callable[[jax.Array], jax.Array]

# The published discriminator, on maps [B, H, W, C].
OPPONENT = strategy.Player(
  build=lambda sizes: discriminator.Discriminator(
    sizes.width, products=sizes.products
  ),
  inputs=lambda sizes: ((1, 64, 64, sizes.num_classes),),
)


def adversarial(maps: Maps, weights: Outputs) -> strategy.Strategy:
  """Trains a discriminator per head to tell the domains apart (Eq. 3).

  Args:
    maps: logits [B, H, W, C] -> the discriminator's input [B, H, W, C].
    weights: of the adversarial loss per head; published: aux 2e-4, main 1e-3.
  """
  return strategy.Strategy(
    players={head: OPPONENT for head in Outputs._fields},
    moves=(
      strategy.Move(
        strategy.SEGMENTER,
        functools.partial(fool, maps=maps, weights=weights),
        supervised=True,
      ),
      *(
        strategy.Move(
          (head,),
          functools.partial(tell_apart, head=head, maps=maps),
          fresh=False,
        )
        for head in Outputs._fields
      ),
    ),
  )


def fool(
  scene: Scene, *, maps: Maps, weights: Outputs
) -> tuple[jax.Array, Metrics]:
  """Cross-entropy of target maps with the label SOURCE, over both heads."""
  aux, main = (
    domain_loss.bce(scene.ask(head, maps(logits)), domain_loss.SOURCE)
    for head, logits in scene.target.logits._asdict().items()
  )
  loss = weights.main * main + weights.aux * aux
  return loss, {'fool_aux': aux, 'fool_main': main}


def tell_apart(
  scene: Scene, *, head: str, maps: Maps
) -> tuple[jax.Array, Metrics]:
  """Mean of a discriminator's losses on source and target maps."""
  on_source, on_target = on_both(
    scene, lambda seen: scene.ask(head, maps(getattr(seen.logits, head)))
  )
  loss = (on_source + on_target) / 2
  return loss, {f'opponent_{head}': loss}


def on_both(
  scene: Scene, judge: Callable[[Seen], jax.Array]
) -> tuple[jax.Array, jax.Array]:
  """Losses of an opponent's logits on the source, and on the target."""
  return (
    domain_loss.bce(judge(scene.source), domain_loss.SOURCE),
    domain_loss.bce(judge(scene.target), domain_loss.TARGET),
  )
