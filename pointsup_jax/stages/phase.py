"""Sets up and runs one training phase."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Generator

import jax

from pointsup_jax.data import pipeline, sources
from pointsup_jax.hosts import progress, stopping
from pointsup_jax.run import augmentations, methods, trained_models, workdir
from pointsup_jax.run import context as run_lib
from pointsup_jax.stages import initial_state, patch_clusters, rollback
from pointsup_jax.training import checkpoint, loop, metrics_log, sharding
from pointsup_jax.training import learner as learner_lib
from pointsup_jax.training import step as step_lib
from pointsup_jax.types import Pair
from pointsup_jax.uda import strategy as strategy_lib


def train(
  run: run_lib.Run,
  phase: workdir.Phase,
  *,
  title: str,
  strategy: str,
  steps: int,
  source: sources.Source,
  target: sources.Source,
  supervision: step_lib.Supervision | None = None,
  initial: workdir.Phase | None = None,
  draw: Callable[[int], int] | None = None,
) -> None:
  """Trains a phase to its end, resuming from its newest checkpoint if any.

  Args:
    run: the run.
    phase: where checkpoints and metrics are written.
    title: the phase's name in messages.
    strategy: a name of `uda.STRATEGIES`.
    steps: the phase's length.
    source: labelled images.
    target: images, labelled if `supervision` gives their labels weight.
    supervision: weights of the cross entropies; None: target without labels.
    initial: the phase whose segmenter this starts from; None: from scratch.
    draw: of the source's images; see `data.pipeline.stream`.
  """
  config = run.config
  place = run.workdir.place(phase)
  learner = dataclasses.replace(
    initial_state.build_learner(run, run.seed('moves', place)),
    augmentations=augmentations.of_phase(run, place),
  )
  method = methods.build(config, strategy, steps)
  if 'patch_clusters' in method.needs:
    centres = patch_clusters.find(run, source)
    method = methods.build(config, strategy, steps, centres)
  supervision = supervision or step_lib.Supervision(config.losses.aux)
  train_step = compiled_step(learner, method, supervision)
  stopping.check()
  source, target = sources.CachedSource(source), sources.CachedSource(target)
  left_out = rollback.Rollback(phase.skipped, run.workdir.kept(phase.skipped))
  with checkpoint.Checkpoints(
    phase.checkpoints,
    keep=config.train.keep,
    keep_every=config.train.keep_every,
    before_save=run.workdir.push,
  ) as checkpoints:
    while True:
      state = initial_state.restore_state(
        run, learner, method.players, checkpoints
      )
      if state is None:
        trained_models.forget_scores(run.workdir, phase)
        state = initial_state.fresh_state(
          run, learner, method.players, phase, initial
        )
      start = int(state.step)
      if start >= steps:
        return
      if start:
        progress.say(f'{title}: continues at step {start}')
      log = metrics_log.MetricsLog(phase.metrics, start_step=start)
      batches = pair_batches(run, source, target, start, place, draw)
      try:
        with contextlib.closing(log), contextlib.closing(batches):
          loop.train(
            train_step,
            state,
            batches,
            title=title,
            steps=steps,
            checkpoints=checkpoints,
            checkpoint_every=config.train.checkpoint_every,
            log=log,
            log_every=config.train.log_every,
            rates=initial_state.rates(config.optim, method.players),
            skipped=left_out.skipped,
            watched=left_out.watched,
          )
        return
      except loop.Diverged as error:
        if config.train.on_nan == 'stop':
          raise
        left_out.prepare(error, checkpoints.latest_step)


def compiled_step(
  learner: learner_lib.Learner,
  method: strategy_lib.Strategy,
  supervision: step_lib.Supervision,
) -> loop.TrainStep:
  """Jits the training step, which donates the state."""
  return jax.jit(
    functools.partial(
      step_lib.train_step,
      learner=learner,
      strategy=method,
      supervision=supervision,
    ),
    donate_argnums=0,
  )


def pair_batches(
  run: run_lib.Run,
  source: sources.Source,
  target: sources.Source,
  start: int,
  place: str,
  draw: Callable[[int], int] | None = None,
) -> Generator[Pair]:
  """Yields batches of both domains from step `start`, on the devices."""
  changed = augmentations.of_phase(run, place)
  streams = (
    pipeline.stream(
      images,
      seed=run.seed('order', place, domain),
      batch_size=run.config.train.batch_size,
      start_step=start,
      process_index=jax.process_index(),
      process_count=jax.process_count(),
      num_threads=run.config.data.threads,
      with_ids=domain in changed,
      draw=draw if domain == 'source' else None,
    )
    for domain, images in (('source', source), ('target', target))
  )
  for pair in zip(*streams, strict=True):
    yield sharding.put(Pair(*pair), sharding.split(run.mesh))
