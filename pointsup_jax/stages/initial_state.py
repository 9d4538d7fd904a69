"""The networks of a training phase and their initial state."""

import functools
from typing import Any

import jax
import ml_collections
import optax

from pointsup_jax.hosts import progress
from pointsup_jax.models import pretrained
from pointsup_jax.run import context as run_lib
from pointsup_jax.run import workdir
from pointsup_jax.training import checkpoint, loop, optimizers, sharding
from pointsup_jax.training import learner as learner_lib
from pointsup_jax.types import Variables
from pointsup_jax.uda import strategy

# The optimisers at config.optim.discriminator_lr.
_OPPONENTS = ('opponent', 'translator_opponent')


def build_learner(run: run_lib.Run, seed: int = 0) -> learner_lib.Learner:
  """Builds networks and optimisers from the config; `seed` is of the keys."""
  model, optim = run.config.model, run.config.optim
  segmenter = run.segmenter()
  channels = segmenter.layout.channels

  def poly(lr: float) -> optax.Schedule:
    return optimizers.poly(lr, **_decay(optim))

  return learner_lib.Learner(
    segmenter=segmenter,
    sizes=strategy.Sizes(
      num_classes=run.classes.num_classes,
      stem=channels.stem,
      conv4=channels.conv4,
      conv5=channels.conv5,
      width=model.discriminator_width,
      products=model.dtype,
    ),
    target_statistics=model.bn_statistics == 'target',
    segmenter_tx=_segmenter_tx(optim, poly(optim.lr)),
    optimizers={
      'opponent': optimizers.opponent(poly(optim.discriminator_lr)),
      'head': _head_tx(optim, poly(optim.head_lr_scale * optim.lr)),
      'translator': optimizers.opponent(
        poly(optim.translator_lr), **optimizers.TRANSLATION
      ),
      'translator_opponent': optimizers.opponent(
        poly(optim.discriminator_lr), **optimizers.TRANSLATION
      ),
    },
    seed=seed,
  )


def rates(
  optim: ml_collections.ConfigDict, players: strategy.Players
) -> loop.Rates:
  """The learning rates to log: `lr` of the segmenter's body, `lr_opponent`.

  The latter only if a player learns at config.optim.discriminator_lr.
  """
  peaks = {'lr': optim.lr}
  if any(
    isinstance(player, strategy.Player)
    and player.weights is None
    and player.optimizer in _OPPONENTS
    for player in players.values()
  ):
    peaks['lr_opponent'] = optim.discriminator_lr
  decay = _decay(optim)

  def of_step(step: int) -> dict[str, float]:
    before = step - 1  # a step's updates come before it is counted
    return {
      name: optimizers.poly_on_host(before, lr, **decay)
      for name, lr in peaks.items()
    }

  return of_step


def _decay(optim: ml_collections.ConfigDict) -> dict[str, Any]:
  """The shape that all rates have over the steps, for `optimizers.poly`."""
  return {
    'power': optim.poly_power,
    'decay_steps': optim.decay_steps,
    'warmup_steps': optim.warmup_steps,
  }


def _segmenter_tx(
  optim: ml_collections.ConfigDict, schedule: optax.Schedule
) -> optax.GradientTransformationExtraArgs:
  if optim.name == 'adamw':
    return optimizers.segmenter_adamw(
      schedule,
      head_lr_scale=optim.head_lr_scale,
      betas=tuple(optim.betas),
      weight_decay=optim.weight_decay,
    )
  return optimizers.segmenter(
    schedule,
    head_lr_scale=optim.head_lr_scale,
    momentum=optim.momentum,
    weight_decay=optim.weight_decay,
    repeat=optim.repeat,
  )


def _head_tx(
  optim: ml_collections.ConfigDict, schedule: optax.Schedule
) -> optax.GradientTransformationExtraArgs:
  """Of players that are as one of the segmenter's heads."""
  if optim.name == 'adamw':
    return optimizers.adamw(
      schedule, betas=tuple(optim.betas), weight_decay=optim.weight_decay
    )
  return optimizers.head(
    schedule, momentum=optim.momentum, weight_decay=optim.weight_decay
  )


def restore_state(
  run: run_lib.Run,
  learner: learner_lib.Learner,
  players: strategy.Players,
  checkpoints: checkpoint.Checkpoints,
) -> learner_lib.State | None:
  """Restores the newest state of a phase; None if it has no checkpoint."""
  if checkpoints.latest_step is None:
    return None
  return checkpoints.restore(
    run.shapes(
      lambda key: learner.init(key, learner.init_segmenter(key), players)
    )
  )


def fresh_state(
  run: run_lib.Run,
  learner: learner_lib.Learner,
  players: strategy.Players,
  phase: workdir.Phase,
  initial: workdir.Phase | None,
) -> learner_lib.State:
  """The state at step 0; the segmenter is that of `initial`, if given."""
  everywhere = sharding.replicated(run.mesh)
  weights = None
  if initial is None:
    segmenter = first_segmenter(run, learner)
  else:
    # Training goes on from the network that moved, whichever is scored.
    _, segmenter = run.trained(initial, network=run_lib.SEGMENTER)
    if any(
      isinstance(player, strategy.Copy) and player.of == 'weights'
      for player in players.values()
    ):
      weights = first_segmenter(run, learner)
  init = jax.jit(
    functools.partial(learner.init, players=players),
    out_shardings=everywhere,
    donate_argnums=1,
  )
  key = jax.random.key(run.seed('opponents', run.workdir.place(phase)))
  state: learner_lib.State = init(key, segmenter, weights=weights)
  for name, player in players.items():
    if isinstance(player, strategy.Player) and player.weights:
      params = jax.device_put(player.weights(), everywhere)
      state.opponents[name] = state.opponents[name].replace(params=params)
  return state


def first_segmenter(
  run: run_lib.Run, learner: learner_lib.Learner
) -> Variables:
  """The network of config.model.weights, or a fresh one."""
  everywhere = sharding.replicated(run.mesh)
  init = jax.jit(learner.init_segmenter, out_shardings=everywhere)
  fresh: Variables = init(jax.random.key(run.seed('segmenter')))
  return jax.device_put(pretrained_or(run, fresh), everywhere)


def pretrained_or(run: run_lib.Run, fresh: Variables) -> Variables:
  """Loads config.model.weights; returns `fresh` if that is empty."""
  weights = run.config.model.weights
  if not weights:
    progress.say('no weight file: the segmenter starts from scratch')
    return fresh
  path = pretrained.path_of(weights, run.config.model.backbone)
  return pretrained.complete(pretrained.load(path), fresh, path)
