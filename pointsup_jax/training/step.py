"""One training step: the moves of an adaptation method, in order."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from pointsup_jax.training import augmentation, scenes, updates
from pointsup_jax.training import learner as learner_lib
from pointsup_jax.training import supervision as supervision_lib
from pointsup_jax.types import Metrics, Pair
from pointsup_jax.uda import strategy as strategy_lib
from pointsup_jax.uda.scene import Scene, Seen

State = learner_lib.State
Supervision = supervision_lib.Supervision
Game = scenes.Game


class Passes(NamedTuple):
  """The segmenter's last passes, and the running statistics before them."""

  seen: dict[str, Seen]
  statistics: dict


def train_step(
  state: State,
  batch: Pair,
  *,
  learner: learner_lib.Learner,
  strategy: strategy_lib.Strategy,
  supervision: Supervision,
) -> tuple[State, Metrics]:
  """One step of Eq. 4 (stage 1) or Eq. 9 (stage 3).

  All moves look at the same images, changed by the learner's augmentations.
  Returns the next state and scalar losses; donate the state. If moves log
  different values under one name, the first one's is returned.
  """
  game = Game(learner, strategy, supervision)
  batch = augmentation.of_pair(batch, learner.augmentations, state.step)
  passes = Passes({}, {})
  metrics: Metrics = {}
  for number, move in enumerate(strategy.moves):
    for turn in range(move.turns):
      key = jax.random.key(learner.seed)
      for part in (state.step, number, turn):
        key = jax.random.fold_in(key, part)
      if move.every == 1:
        state, passes, terms = make(game, move, state, batch, passes, key)
      else:
        state, terms = make_rarely(game, move, state, batch, passes, key)
      metrics = terms | metrics
  state = updates.follow(game, state)
  return state.replace(step=state.step + 1), metrics


def make(
  game: Game,
  move: strategy_lib.Move,
  state: State,
  batch: Pair,
  last: Passes,
  key: jax.Array,
) -> tuple[State, Passes, Metrics]:
  """Makes a move: differentiates its loss by its parts, and updates them."""
  statistics = state.segmenter['batch_stats']
  before = statistics if move.fresh else last.statistics
  modules, players = parts_of(move, state)

  def loss_fn(moved: tuple[dict, dict]) -> tuple[jax.Array, tuple]:
    params = state.segmenter['params'] | moved[0]
    playing = {name: x.params for name, x in state.opponents.items()} | moved[1]

    def scene(seen: dict[str, Seen]) -> Scene:
      return scenes.scene_of(game, params, playing, seen, state.step, key)

    seen, after = last.seen, statistics
    if move.fresh or modules:
      seen, after = scenes.look(game, move, batch, params, before, key, scene)
    loss, metrics = move.loss(scene(seen))
    if move.supervised:
      extra, terms = supervise(game, seen)
      loss = loss + extra
      metrics = terms | metrics | {'loss': loss}
    return loss, (seen, after, metrics)

  grads, (seen, after, metrics) = jax.grad(loss_fn, has_aux=True)(
    (modules, players)
  )
  state = updates.update(game, state, *grads)
  if move.fresh:
    state = state.replace(segmenter=state.segmenter | {'batch_stats': after})
  return state, Passes(jax.lax.stop_gradient(seen), before), metrics


def make_rarely(
  game: Game, move: strategy_lib.Move, state: State, *others: object
) -> tuple[State, Metrics]:
  """Makes a move in some steps; in the others its metrics are 0."""

  def now(state: State) -> tuple[State, Metrics]:
    state, _, metrics = make(game, move, state, *others)  # type: ignore[arg-type]
    return state, metrics

  def not_now(state: State) -> tuple[State, Metrics]:
    _, metrics = jax.eval_shape(now, state)
    return state, jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), metrics)

  return jax.lax.cond(state.step % move.every == 0, now, not_now, state)


def parts_of(move: strategy_lib.Move, state: State) -> tuple[dict, dict]:
  """Parameters of the segmenter's modules and of the players that move."""
  modules: dict = {}
  for name in strategy_lib.SEGMENTER:
    if name in move.parts:
      modules |= learner_lib.part(state.segmenter['params'], name)
  players = {
    name: state.opponents[name].params
    for name in move.parts
    if name not in strategy_lib.SEGMENTER
  }
  return modules, players


def supervise(game: Game, seen: dict[str, Seen]) -> tuple[jax.Array, Metrics]:
  """Cross-entropies of the source, and of the target's points (Eq. 7)."""
  supervision, source = game.supervision, seen['source']
  loss, metrics = supervision_lib.source_loss(
    source.logits, source.batch, supervision.aux, game.strategy.pixel_losses
  )
  if supervision.of_target:
    target = seen['target']
    extra, terms = supervision_lib.target_loss(
      target.logits, target.batch, supervision
    )
    loss, metrics = loss + extra, metrics | terms
  return loss, metrics
