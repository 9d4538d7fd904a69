"""One training phase: everything it needs, wired, and the loop run."""

import functools
from collections.abc import Iterator

import jax

from pointsup_jax import progress, uda
from pointsup_jax.data import pipeline, sources
from pointsup_jax.models import discriminator, pretrained
from pointsup_jax.stages import run as run_lib
from pointsup_jax.stages import workdir
from pointsup_jax.training import (
  checkpoint,
  learner,
  loop,
  metrics_log,
  optimizers,
  sharding,
)
from pointsup_jax.training import step as step_lib
from pointsup_jax.types import Outputs, Pair, Variables


def train(
  run: run_lib.Run,
  phase: workdir.Phase,
  *,
  title: str,
  strategy: str,
  steps: int,
  source: sources.Source,
  target: sources.Source,
  target_weight: float = 0.0,
  initial: workdir.Phase | None = None,
) -> None:
  """Trains a phase to its end, from its newest checkpoint if it has one.

  Args:
    run: config, workdir, devices.
    phase: where checkpoints and metrics go.
    title: names the phase to the user.
    strategy: a name of `uda.STRATEGIES`.
    steps: the phase's length.
    source: labelled images.
    target: target images; their labels count with `target_weight`.
    target_weight: of the cross entropy on the target's labels.
    initial: the phase whose segmenter this one starts from; None: from scratch.
  """
  config = run.config
  players = build_learner(run)
  method = uda.STRATEGIES[strategy](
    Outputs(aux=config.losses.target_aux, main=config.losses.target_main)
  )
  train_step = jax.jit(
    functools.partial(
      step_lib.train_step,
      learner=players,
      strategy=method,
      supervision=step_lib.Supervision(config.losses.aux, target_weight),
    ),
    donate_argnums=0,
  )
  with checkpoint.Checkpoints(
    phase.checkpoints, keep=config.train.keep
  ) as checkpoints:
    # In this order: (1) resume, (2) start from another phase, (3) scratch.
    state = restore_state(run, players, method.opponents, checkpoints)
    if state is None:
      state = fresh_state(run, players, method.opponents, phase, initial)
    start = int(state.step)
    if start >= steps:
      return
    if start:
      progress.say(f'{title}: continues at step {start}')
    log = metrics_log.MetricsLog(phase.metrics, start_step=start)
    loop.train(
      train_step,
      state,
      pair_batches(
        run,
        sources.CachedSource(source),
        sources.CachedSource(target),
        start,
        title,
      ),
      title=title,
      steps=steps,
      checkpoints=checkpoints,
      checkpoint_every=config.train.checkpoint_every,
      log=log,
      log_every=config.train.log_every,
    )
    log.close()


def build_learner(run: run_lib.Run) -> learner.Learner:
  """Networks and optimisers as the config says."""
  model, optim = run.config.model, run.config.optim
  poly = functools.partial(
    optimizers.poly, power=optim.poly_power, decay_steps=optim.decay_steps
  )
  return learner.Learner(
    segmenter=run.segmenter(),
    discriminator=discriminator.Discriminator(width=model.discriminator_width),
    num_classes=run.classes.num_classes,
    target_statistics=model.bn_statistics == 'target',
    segmenter_tx=optimizers.segmenter(
      poly(optim.lr),
      head_lr_scale=optim.head_lr_scale,
      momentum=optim.momentum,
      weight_decay=optim.weight_decay,
      repeat=optim.repeat,
    ),
    opponent_tx=optimizers.opponent(poly(optim.discriminator_lr)),
  )


def restore_state(
  run: run_lib.Run,
  players: learner.Learner,
  opponents: tuple[str, ...],
  checkpoints: checkpoint.Checkpoints,
) -> learner.State | None:
  """The newest state of a phase, None where it has none."""
  if checkpoints.latest_step is None:
    return None
  key = jax.random.key(0)
  shapes = jax.eval_shape(
    lambda key: players.init(key, players.init_segmenter(key), opponents), key
  )
  return checkpoints.restore(
    checkpoint.abstract(shapes, sharding.replicated(run.mesh))
  )


def fresh_state(
  run: run_lib.Run,
  players: learner.Learner,
  opponents: tuple[str, ...],
  phase: workdir.Phase,
  initial: workdir.Phase | None,
) -> learner.State:
  """The state at step 0."""
  everywhere = sharding.replicated(run.mesh)
  if initial is None:
    init = jax.jit(players.init_segmenter, out_shardings=everywhere)
    segmenter: Variables = init(jax.random.key(run.seed('segmenter')))
    segmenter = jax.device_put(pretrained_or(run, segmenter), everywhere)
  else:
    _, segmenter = run.trained(initial)
  init = jax.jit(
    players.init, static_argnums=2, out_shardings=everywhere, donate_argnums=1
  )
  key = jax.random.key(run.seed('opponents', phase.root.name))
  return init(key, segmenter, opponents)


def pretrained_or(run: run_lib.Run, fresh: Variables) -> Variables:
  """The variables in config.model.weights, or fresh ones if it names none."""
  path = run.config.model.weights
  if not path:
    progress.say('no weight file: the segmenter starts from scratch')
    return fresh
  return pretrained.complete(pretrained.load(path), fresh, path)


def pair_batches(
  run: run_lib.Run,
  source: sources.Source,
  target: sources.Source,
  start: int,
  title: str,
) -> Iterator[Pair]:
  """Batches of both domains from step `start` on, on the devices."""
  streams = (
    pipeline.stream(
      images,
      seed=run.seed(title, domain),
      batch_size=run.config.train.batch_size,
      start_step=start,
      process_index=jax.process_index(),
      process_count=jax.process_count(),
      num_threads=run.config.data.threads,
    )
    for domain, images in (('source', source), ('target', target))
  )
  for pair in zip(*streams, strict=True):
    yield sharding.put(Pair(*pair), run.mesh)
