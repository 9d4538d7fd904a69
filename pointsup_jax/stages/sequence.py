"""Runs the stages of a run in order, skipping finished ones."""

import contextlib
import dataclasses
from collections.abc import Iterator

import ml_collections

from pointsup_jax import command, errors
from pointsup_jax.data import domains
from pointsup_jax.hosts import devices, processes, progress, stopping
from pointsup_jax.run import (
  answers_used,
  config_check,
  config_file,
  data_check,
  extending,
  history,
  overwriting,
  predicted,
  recorded_data,
  trained_models,
  waiting,
)
from pointsup_jax.run import context as run_lib
from pointsup_jax.run import dry_run as dry_run_lib
from pointsup_jax.run import workdir as workdir_lib
from pointsup_jax.stages import acquire, adapt, annotate, evaluate, report, uda

STAGES = {
  'uda': uda.train,
  'acquire': acquire.ask,
  'annotate': annotate.collect,
  'adapt': adapt.train,
  'evaluate': evaluate.score,
  'report': report.make,
}
# Always run; they find out themselves what there is to do.
_NEVER_DONE = ('evaluate', 'report')


def run_stages(
  config: ml_collections.ConfigDict,
  workdir: workdir_lib.Workdir,
  stage: str,
  *,
  dry_run: bool = False,
  overwrite: bool = False,
  discard_answers: bool = False,
) -> None:
  """Runs one stage, or all unfinished ones.

  Raises errors.UserError, with a one-line message.

  Args:
    config: of the run.
    workdir: of the run.
    stage: a name of `STAGES`, or 'all'.
    dry_run: only print what would be done; write nothing.
    overwrite: delete the workdir's contents, but not people's answers, and
      start anew.
    discard_answers: let `overwrite` delete people's answers too.
  """
  config_check.check(config)
  if stage == 'adapt':
    predicted.require_source(config.data)
  config_check.check_packages(config)
  run = run_lib.open_run(config, workdir, stage)
  config_check.check_classes(config, run.classes.names)
  if dry_run:
    dry_run_lib.show(run, list(in_order(stage, workdir, config)))
    return
  used = devices.connect()
  config_check.check_devices(config)
  if overwrite or not processes.by_first(
    lambda: workdir.method_started, 'whether the run has started'
  ):
    data_check.check(run)

  def claim() -> None:
    if overwrite:
      overwriting.clear(workdir, discard_answers=discard_answers)
    extending.open_again(workdir, config, run.classes)
    config_file.claim(workdir, config, run.classes, used)

  stopping.check()  # before it takes the lock from who comes after it
  with contextlib.ExitStack() as held:
    held.enter_context(config_file.locked(workdir))
    processes.by_first(claim, 'the workdir')
    workdir.share('the workdir')
    held.enter_context(pushed(workdir))
    progress.say(f'workdir {workdir}')
    for line in trained_models.lost(workdir, config).values():
      progress.say(f'note: {line}')
    for note in config_check.notes(config):
      progress.say(f'note: {note}')
    # A mirror's local copy, with any traceback file, is deleted at exit.
    with command.explained(None if workdir.mirror else workdir.tracebacks):
      for name, at in in_order(stage, workdir, config):
        run_stage(name, dataclasses.replace(run, workdir=at), held)


@contextlib.contextmanager
def pushed(workdir: workdir_lib.Workdir) -> Iterator[None]:
  """Pushes the block's writes to the object store, even if it raises."""
  try:
    yield
  except BaseException:
    try:
      workdir.push()
    except errors.UserError as error:
      progress.say(str(error))  # and re-raise the block's error
    raise
  workdir.push()


def in_order(
  asked: str, workdir: workdir_lib.Workdir, config: ml_collections.ConfigDict
) -> Iterator[tuple[str, workdir_lib.Workdir]]:
  """Yields the stages to run, each with the workdir at its round.

  Without source images, stage 3 is left out.
  """
  if asked != 'all':
    round = processes.by_first(lambda: workdir.current().round, 'the round')
    yield asked, workdir.at(round)
    return
  yield 'uda', workdir
  for round in range(1, workdir.rounds + 1):
    for stage in workdir_lib.REPEATED:
      if stage != 'adapt' or domains.has_source(config.data):
        yield stage, workdir.at(round)
  yield 'evaluate', workdir.at(workdir.rounds)
  yield 'report', workdir.at(workdir.rounds)


def run_stage(stage: str, run: run_lib.Run, lock: contextlib.ExitStack) -> None:
  """Runs one stage unless it is done; serving the page releases `lock`."""
  workdir = run.workdir
  waiting.require_before(run, stage)
  if stage == 'adapt' and (left := waiting.require(run)):
    progress.say(
      f'adapt.allow_partial: {left} labels are missing; stage 3 leaves those '
      'points out'
    )
  # A later round has learned from what came after an earlier one.
  if stage == 'adapt' and (
    workdir.round == workdir.rounds or not workdir.done(stage).exists()
  ):
    answers_used.say_newer(run)
  if processes.by_first(workdir.done(stage).exists, f'whether {stage} is done'):
    which = f', round {workdir.round}' if stage in workdir_lib.REPEATED else ''
    progress.say(f'{stage}{which if workdir.rounds > 1 else ""}: done before')
    return
  recorded_data.check(run, stage)
  stopping.check()  # the next check may come only after minutes of compiling
  # No page is served from a store, where closing `lock` would also push.
  if waiting.serves_page(run) and not workdir.mirror:
    lock.close()  # labelling may take days, in which other commands may run
  with history.recorded(workdir, stage):
    STAGES[stage](run)
  # People may still give missing labels.
  is_open = stage == 'annotate' and waiting.missing(run) > 0
  if stage not in _NEVER_DONE and not is_open:
    if processes.is_first():
      workdir.mark_done(stage)
    workdir.share(f'the end of {stage}')
