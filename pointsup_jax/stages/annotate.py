"""The annotator answers: simulated, or people whose answers are in a file."""

from pointsup_jax import errors, progress
from pointsup_jax.annotation import importing, oracle
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.annotation.formats import words
from pointsup_jax.stages import run as run_lib


def run(run: run_lib.Run) -> None:
  """Answers open requests, as config.annotate.oracle says."""
  with store_lib.Store(
    run.workdir.annotations, run.classes.num_classes
  ) as store:
    _ORACLES[run.config.annotate.oracle](run, store)


def _from_labels(run: run_lib.Run, store: store_lib.Store) -> None:
  """Every open request gets the label at its pixel."""
  source = run.source('target', labelled=True)
  answers = oracle.ground_truth(store, source)
  progress.say(f'annotation: {answers} points answered from the label files')


def _from_file(run: run_lib.Run, store: store_lib.Store) -> None:
  """People's answers; what they left open stays open."""
  counts = store.counts()
  waiting = counts.requests - counts.answered
  if not run.config.annotate.answers:
    if not waiting:
      progress.say('annotation: every point has been answered before')
      return
    raise errors.UserError(
      f'{waiting} points wait for answers: python -m '
      f'pointsup_jax.annotation.exchange --workdir={run.workdir.root} '
      '--format=csv --export=FILE (or another format, docs/EXCHANGE.md) writes '
      'them; then run the same command with --config.annotate.answers=FILE'
    )
  path, format_name = importing.find(run.config.annotate.answers)
  done = importing.import_file(
    store,
    path,
    format_name,
    size=tuple(run.config.data.target.size),
    words=words.Words(run.classes),
  )
  counts = store.counts()
  progress.say(
    f'annotation: {done.recorded} answers from {path}, {done.known} known '
    f'before, {done.moved} points moved; {counts.requests - counts.answered} '
    f'of {counts.requests} points are still open'
  )


_ORACLES = {'ground_truth': _from_labels, 'file': _from_file}
