"""Annotation: answers from the simulated annotator, a file or the web page."""

import functools

import jax

from pointsup_jax import errors
from pointsup_jax.annotation import database, oracle
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.annotation.exchange import importing
from pointsup_jax.annotation.exchange.formats import words
from pointsup_jax.hosts import object_store, progress, stopping
from pointsup_jax.run import acquire_check, answers_used, waiting
from pointsup_jax.run import context as run_lib


def collect(run: run_lib.Run) -> None:
  """Answers every open request, or lets people answer.

  Raises errors.WaitingForLabels if people still have points to label.
  """
  if waiting.serves_page(run):
    serve(run)
  else:
    stopping.run_by_first(functools.partial(record, run), 'the answers')
  if waiting.require(run) or not waiting.from_people(run):
    return
  progress.say('annotation: all points are answered')
  if run.asked == 'annotate':
    answers_used.say_newer(run)


def record(run: run_lib.Run) -> None:
  """Records answers from the simulated annotator or from a file."""
  config = run.config.annotate
  if config.oracle == 'ground_truth':
    answer(run)
  elif config.oracle == 'file' and config.answers:
    read(run)


def answer(run: run_lib.Run) -> None:
  """Answers every open request with the simulated annotator."""
  source = run.source('target', labelled=True)
  with store_lib.Store(
    run.workdir.annotations, run.classes.num_classes
  ) as store:
    answers = oracle.answer(store, source, simulated(run))
  progress.say(f'annotation: {answers} points answered from the label files')


def simulated(run: run_lib.Run) -> oracle.Annotator:
  """The annotator that config.annotate describes."""
  config, names = run.config.annotate, run.classes.names
  return oracle.Annotator(
    num_classes=len(names),
    error_rate=config.error_rate,
    confusable=[
      [names.index(name) for name in group.split('/')]
      for group in config.confusable
    ],
    seconds=config.seconds,
    seed=run.seed('annotator'),
  )


def read(run: run_lib.Run) -> None:
  """Imports the answers in the file config.annotate.answers."""
  path, format_name = importing.find(run.config.annotate.answers)
  annotations = run.workdir.annotations
  with (
    database.taking_answers(annotations),
    store_lib.Store(annotations, run.classes.num_classes) as store,
  ):
    done = importing.import_file(
      store,
      path,
      format_name,
      size=tuple(run.config.data.target.size),
      words=words.Words(run.classes),
    )
  progress.say(
    f'annotation: {done.recorded} answers from {path}, {done.known} known '
    f'before, {done.moved} points moved'
  )


def serve(run: run_lib.Run) -> None:
  """Serves the page until all points are answered or a stop is requested."""
  config = run.config.annotate
  if jax.distributed.is_initialized():
    raise errors.UsageError(
      '--stage=annotate serves the page from one process; leave --multihost out'
    )
  if not waiting.missing(run):
    return
  if run.workdir.mirror:
    raise errors.UsageError(
      f'no page is served from {run.workdir}: its answers would be on no disk; '
      + object_store.to_label(run.workdir)
    )
  with errors.needs('annotate', 'the page'):
    from pointsup_jax.annotation.web import server
  server.serve(
    path=run.workdir.annotations,
    folder=run.workdir.annotate,
    images=run.viewed(),
    classes=run.classes,
    grid=acquire_check.asked_grid(run.config.acquire),
    options=server.Options(
      host=config.host,
      port=config.port,
      allow_remote=config.allow_remote,
      overlap=config.overlap,
      public_url=config.public_url.rstrip('/').lower(),
    ),
  )
