"""The annotator answers; for now the simulated one."""

from pointsup_jax import progress
from pointsup_jax.annotation import oracle
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.stages import run as run_lib


def run(run: run_lib.Run) -> None:
  """Answers every open request from the target's label files."""
  source = run.source('target', labelled=True)
  with store_lib.Store(
    run.workdir.annotations, run.classes.num_classes
  ) as store:
    answers = oracle.ground_truth(store, source)
  progress.say(f'annotation: {answers} points answered from the label files')
