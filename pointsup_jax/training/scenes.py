"""What the moves of a training step look at."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from pointsup_jax.training import learner as learner_lib
from pointsup_jax.training import supervision as supervision_lib
from pointsup_jax.types import Batch, Pair
from pointsup_jax.uda import strategy as strategy_lib
from pointsup_jax.uda.scene import Scene, Seen


class Game(NamedTuple):
  """The constants of a step."""

  learner: learner_lib.Learner
  strategy: strategy_lib.Strategy
  supervision: supervision_lib.Supervision


def look(
  game: Game,
  move: strategy_lib.Move,
  batch: Pair,
  params: dict,
  statistics: dict,
  key: jax.Array,
  scene: Callable[[dict[str, Seen]], Scene],
) -> tuple[dict[str, Seen], dict]:
  """Passes the domains, then the views; also returns the statistics.

  What a pass leaves out at random depends on the key and on its number.
  """
  learner = game.learner
  domains = list(move.looks_at)
  if move.supervised and game.supervision.of_target and 'target' not in domains:
    domains.append('target')
  seen: dict[str, Seen] = {}
  after = statistics
  for domain in domains:
    if domain == 'target' and learner.target_statistics:
      after = statistics
    variables = {'params': params, 'batch_stats': after}
    mine = jax.random.fold_in(key, len(seen))
    seen[domain], after = learner.see(variables, getattr(batch, domain), mine)
  views: dict[str, Batch] = jax.lax.stop_gradient(
    game.strategy.views(scene(seen))
  )
  for name, view in views.items():
    variables = {'params': params, 'batch_stats': after}
    mine = jax.random.fold_in(key, len(seen))
    seen[name], after = learner.see(variables, view, mine)
  return seen, after


def scene_of(
  game: Game,
  params: dict,
  playing: dict,
  seen: dict[str, Seen],
  step: jax.Array,
  key: jax.Array,
) -> Scene:
  """What a move's loss may look at."""
  learner, players = game.learner, game.strategy.players

  def ask(name: str, *inputs: jax.Array) -> Any:
    module = players[name].build(learner.sizes)  # type: ignore[union-attr]
    return module.apply({'params': playing[name]}, *inputs)

  def look(name: str, batch: Batch) -> Seen:
    return learner.see(playing[name], batch)[0]

  parts = {
    name: learner_lib.part(params, name) for name in strategy_lib.SEGMENTER
  }
  return Scene(seen, ask, look, parts | playing, step, key)
