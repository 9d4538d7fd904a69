"""Stage 1: adapts G1 from the source to the unlabelled target."""

from pointsup_jax.stages import phase
from pointsup_jax.stages import run as run_lib


def run(run: run_lib.Run) -> None:
  """Trains the source-only phase, if there is one, and then the strategy's."""
  config, workdir = run.config, run.workdir
  source = run.source(config.data.source, labelled=True)
  target = run.source(config.data.target, labelled=False)
  warm = config.uda.source_only_steps > 0
  if warm:
    phase.train(
      run,
      workdir.source_only,
      title='source only',
      strategy='source_only',
      steps=config.uda.source_only_steps,
      source=source,
      target=target,
    )
  phase.train(
    run,
    workdir.uda,
    title=f'stage 1, {config.uda.strategy}',
    strategy=config.uda.strategy,
    steps=config.uda.steps,
    source=source,
    target=target,
    initial=workdir.source_only if warm else None,
  )
