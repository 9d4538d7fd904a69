"""Moves the parameters of a training step's parts."""

import jax
import jax.numpy as jnp
import optax

from pointsup_jax.training import learner as learner_lib
from pointsup_jax.training import scenes
from pointsup_jax.uda import strategy as strategy_lib

State = learner_lib.State
Opponent = learner_lib.Opponent
Game = scenes.Game


def update(game: Game, state: State, modules: dict, players: dict) -> State:
  """Moves the parts with these gradients; all others stay as they are."""
  learner = game.learner
  if modules:
    params = state.segmenter['params']
    change, opt_state = learner.segmenter_tx.update(
      modules, state.opt_state, params, step=state.step
    )
    mine = {name: params[name] for name in modules}
    params = params | optax.apply_updates(mine, change)
    segmenter = state.segmenter | {'params': params}
    state = state.replace(segmenter=segmenter, opt_state=opt_state)
  moved = {}
  for name, grads in players.items():
    player = state.opponents[name]
    player_of = game.strategy.players[name]
    assert isinstance(player_of, strategy_lib.Player)  # copies do not move
    optimizer = learner.optimizers[player_of.optimizer]
    change, opt_state = optimizer.update(
      grads, player.opt_state, player.params, step=state.step
    )
    params = optax.apply_updates(player.params, change)
    moved[name] = Opponent(params, opt_state)
  return state.replace(opponents=state.opponents | moved)


def follow(game: Game, state: State) -> State:
  """Moves the copies that average the segmenter."""
  moved = {}
  for name, player in game.strategy.players.items():
    if not isinstance(player, strategy_lib.Copy) or player.follows is None:
      continue
    kept = jnp.minimum(1 - 1 / (state.step + 1), player.follows)
    params = jax.tree.map(
      lambda old, new, kept=kept: kept * old + (1 - kept) * new,
      state.opponents[name].params['params'],
      state.segmenter['params'],
    )
    moved[name] = Opponent(state.segmenter | {'params': params}, ())
  return state.replace(opponents=state.opponents | moved)
