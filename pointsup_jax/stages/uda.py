"""Stage 1 (UDA): adapts G1 from the source to the unlabelled target."""

from pointsup_jax import uda
from pointsup_jax.hosts import progress
from pointsup_jax.run import context as run_lib
from pointsup_jax.run import methods
from pointsup_jax.stages import easy_hard, phase, source_classes


def train(run: run_lib.Run) -> None:
  """Trains the source-only phase, if any, then the method's phases.

  With predictions of another model, which have been checked, there is nothing
  to train.
  """
  config, workdir = run.config, run.workdir
  if config.uda.predictions:
    progress.say(f'stage 1: the predictions in {config.uda.predictions}')
    return
  depth = methods.need(config, 'depth', ('uda',))
  source = run.source('source', labelled=True, depth=depth)
  target = run.source('target', labelled=False)
  initial = None
  if config.uda.source_only_steps:
    initial = workdir.source_only
    phase.train(
      run,
      initial,
      title='source only',
      strategy='source_only',
      steps=config.uda.source_only_steps,
      source=source,
      target=target,
      draw=source_classes.drawer(run, source, initial),
    )
  title, before = f'stage 1, {config.uda.strategy}', None
  for part in uda.phases(config.uda.strategy):
    if part.within_target:
      assert before is not None  # no method starts with such a phase
      source, target = easy_hard.split(run, target, before)
    current = workdir.uda_phase(part.name)
    draw = None  # not of the target's guessed labels
    if not part.within_target:
      draw = source_classes.drawer(run, source, current)
    phase.train(
      run,
      current,
      title=f'{title} {part.name}'.strip(),
      strategy=part.strategy,
      steps=config.uda.steps,
      source=source,
      target=target,
      initial=initial,
      draw=draw,
    )
    before = current
