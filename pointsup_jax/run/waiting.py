"""Waiting for people to label: for how many labels, and how a run goes on.

A run whose labels come from people stops after acquisition with a
`WaitingForLabels`, whose message says how they answer. The same command goes on
when no label is missing, or with config.adapt.allow_partial when some are.
"""

import functools

from pointsup_jax import command, errors
from pointsup_jax.annotation import queue as queue_lib
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.hosts import object_store, processes
from pointsup_jax.run import context as run_lib


def from_people(run: run_lib.Run) -> bool:
  """Whether people label, rather than a simulated annotator."""
  return run.config.annotate.oracle != 'ground_truth'


def serves_page(run: run_lib.Run) -> bool:
  """Whether the command serves the page that people label on, maybe for days.

  Only one that asks for this stage: others may run where nobody looks.
  """
  return run.asked == 'annotate' and run.config.annotate.oracle == 'human'


def missing(run: run_lib.Run) -> int:
  """How many answers people still have to give."""
  return _count(run)[0] if from_people(run) else 0


def require(run: run_lib.Run) -> int:
  """Raises as long as the run has to wait for people.

  With config.adapt.allow_partial it goes on at once, unless labels are all that
  the command asks for.

  Returns:
    How many labels it goes on without.

  Raises:
    errors.WaitingForLabels: people have points left.
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
