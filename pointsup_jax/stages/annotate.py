"""The annotators answer: people on a page, or the simulated one."""

from pointsup_jax import progress
from pointsup_jax.annotation import oracle
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.annotation.web import server
from pointsup_jax.stages import labels
from pointsup_jax.stages import run as run_lib


def run(run: run_lib.Run) -> None:
  """Answers every open request, or lets people do it.

  Raises:
    errors.WaitingForLabels: people have points left. Only a command that asks
      for this stage serves the page: others may run where nobody looks.
  """
  if labels.from_people(run):
    if run.asked == 'annotate':
      serve(run)
    labels.require(run)
    progress.say('annotation: all points are answered')
    if run.workdir.started('adapt'):
      progress.say(
        'stage 3 has started with fewer labels; delete '
        f'{run.workdir.stage("adapt")} to train it with all of them'
      )
    return
  source = run.source('target', labelled=True)
  with store_lib.Store(
    run.workdir.annotations, run.classes.num_classes
  ) as store:
    answers = oracle.ground_truth(store, source)
  progress.say(f'annotation: {answers} points answered from the label files')


def serve(run: run_lib.Run) -> None:
  """Serves the page until all points are answered or a stop is asked for."""
  config = run.config.annotate
  if not labels.missing(run):
    return
  server.serve(
    path=run.workdir.annotations,
    folder=run.workdir.annotate,
    images=run.viewed(),
    names=run.classes.names,
    palette=run.classes.palette,
    grid=tuple(run.config.acquire.grid),
    options=server.Options(
      host=config.host,
      port=config.port,
      allow_remote=config.allow_remote,
      overlap=config.overlap,
    ),
  )
