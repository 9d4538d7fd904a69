"""How many labels are missing, and who must wait for them."""

import functools

from pointsup_jax import command, errors
from pointsup_jax.annotation import queue as queue_lib
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.hosts import object_store, processes, progress
from pointsup_jax.run import context as run_lib


def from_people(run: run_lib.Run) -> bool:
  """Whether people label, rather than a simulated annotator."""
  return run.config.annotate.oracle != 'ground_truth'


def serves_page(run: run_lib.Run, stage: str) -> bool:
  """Whether a stage is to wait at the page for people to label."""
  return (
    stage == run.asked == 'annotate' and run.config.annotate.oracle == 'human'
  )


def require(run: run_lib.Run) -> None:
  """Raises errors.WaitingForLabels as long as people have points left."""
  left, needed = _count(run)
  if left:
    raise _waiting(run, left, needed)


def _waiting(
  run: run_lib.Run, left: int, needed: int
) -> errors.WaitingForLabels:
  return errors.WaitingForLabels(
    f'waiting for {left} of {needed} labels; {_how_to_answer(run)}'
  )


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


def do_without(run: run_lib.Run) -> bool:
  """Whether labels are missing and the run is to go on nevertheless."""
  partial = from_people(run) and run.config.adapt.allow_partial
  return partial and missing(run) > 0


def require_before(run: run_lib.Run, stage: str) -> None:
  """Refuses a stage for which something before it has to be finished.

  Raises:
    errors.UsageError: another stage has not finished.
    errors.WaitingForLabels: people have not.
  """
  require_finished_before(run, stage)
  if stage != 'adapt' or not from_people(run):
    return
  left, needed = _count(run)
  if left and not run.config.adapt.allow_partial:
    raise _waiting(run, left, needed)
  if left:
    progress.say(
      f'adapt.allow_partial: {left} labels are missing; stage 3 leaves those '
      'points out'
    )


def require_finished_before(run: run_lib.Run, stage: str) -> None:
  """Refuses a stage before which another has to be finished.

  People may label until stage 3 starts: it waits for acquisition alone.

  Raises:
    errors.UsageError: that stage has not finished.
  """
  people = stage == 'adapt' and from_people(run)
  processes.decided(
    functools.partial(
      run.workdir.require_before, 'annotate' if people else stage
    ),
    f'what has to be done before {stage}',
  )


def missing(run: run_lib.Run) -> int:
  """How many answers people still have to give."""
  return _count(run)[0]


def _count(run: run_lib.Run) -> tuple[int, int]:
  """Answers that are missing, and that are needed."""

  def count() -> list[int]:
    with store_lib.Store(run.workdir.annotations) as store:
      needed, given = queue_lib.Queue(
        store, run.config.annotate.overlap
      ).progress()
    return [needed - given, needed]

  missing, needed = processes.decided(count, 'how many labels are missing')
  return missing, needed
