"""Stops a run after acquisition until people have labelled its points."""

import functools

from pointsup_jax import command, errors
from pointsup_jax.annotation import queue as queue_lib
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.hosts import object_store, processes
from pointsup_jax.run import context as run_lib


def from_people(run: run_lib.Run) -> bool:
  """Whether labels come from people, not from the simulated annotator."""
  return run.config.annotate.oracle != 'ground_truth'


def serves_page(run: run_lib.Run) -> bool:
  """Whether the command serves the labelling page, only on --stage=annotate."""
  return run.asked == 'annotate' and run.config.annotate.oracle == 'human'


def missing(run: run_lib.Run) -> int:
  """Number of answers people still have to give."""
  return _count(run)[0] if from_people(run) else 0


def require(run: run_lib.Run) -> int:
  """Returns the number of missing labels if the run can go on without them.

  Raises:
    errors.WaitingForLabels: labels are missing, and config.adapt.allow_partial
      is off or the requested stage is 'annotate'.
  """
  if not from_people(run):
    return 0
  left, needed = _count(run)
  goes_on = run.config.adapt.allow_partial and run.asked != 'annotate'
  if left and not goes_on:
    raise errors.WaitingForLabels(
      f'waiting for {left} of {needed} labels; {_how_to_answer(run)}'
    )
  return left


def require_before(run: run_lib.Run, stage: str) -> None:
  """Raises errors.UsageError if the stage before `stage` is unfinished.

  With labels from people, stage 3 only requires acquisition here: they may
  label until it starts.
  """
  people = stage == 'adapt' and from_people(run)
  processes.by_first(
    functools.partial(
      run.workdir.require_before, 'annotate' if people else stage
    ),
    f'what has to be done before {stage}',
  )


def _count(run: run_lib.Run) -> tuple[int, int]:

  def count() -> list[int]:
    with store_lib.Store(
      run.workdir.annotations, run.classes.num_classes, check=False
    ) as store:
      needed, given = queue_lib.Queue(
        store, run.config.annotate.overlap
      ).progress()
    return [needed - given, needed]

  missing, needed = processes.by_first(count, 'how many labels are missing')
  return missing, needed


def _how_to_answer(run: run_lib.Run) -> str:
  if run.workdir.mirror:
    return object_store.to_label(run.workdir)
  if run.config.annotate.oracle == 'human':
    return f'this serves the page for them: {command.again(stage="annotate")}'
  return (
    'python -m launch.exchange '
    f'--workdir={run.workdir.root} --format=csv --export=FILE (or another '
    'format, docs/EXCHANGE.md) writes the open points; run the same command '
    'with --config.annotate.answers=FILE when they are answered, or with '
    '--config.adapt.allow_partial to do without the rest'
  )
