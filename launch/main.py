"""python -m launch.main --config=configs/NAME.py: the stages, in order.

Running the same command again continues where it stopped.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Iterator

from absl import flags

from launch import multihost
from pointsup_jax import command, errors, presence, processes, progress, stop
from pointsup_jax.stages import (
  acquire,
  adapt,
  annotate,
  check,
  evaluate,
  history,
  labels,
  plan,
  record,
  report,
  uda,
)
from pointsup_jax.stages import run as run_lib
from pointsup_jax.stages import workdir as workdir_lib

STAGES = {
  'uda': uda.run,
  'acquire': acquire.run,
  'annotate': annotate.run,
  'adapt': adapt.run,
  'evaluate': evaluate.run,
  'report': report.run,
}
# These find out by themselves what there is to do.
_NEVER_DONE = ('evaluate', 'report')

_WORKDIR = flags.DEFINE_string(
  'workdir',
  None,
  'Folder of the run, local or gs://; runs/<config name> if not given.',
)
_STAGE = flags.DEFINE_enum(
  'stage', 'all', ('all', *STAGES), 'Which stage to run.'
)
_DRY_RUN = flags.DEFINE_bool(
  'dry_run', False, 'Only say what would be done; write nothing.'
)
_OVERWRITE = flags.DEFINE_bool(
  'overwrite', False, 'Delete what the workdir holds and start anew.'
)
_DISCARD_ANSWERS = flags.DEFINE_bool(
  'discard_answers',
  False,
  'With --overwrite: delete also what people answered.',
)
_MULTIHOST_TIMEOUT = flags.DEFINE_float(
  'multihost_timeout',
  presence.SILENCE,
  'After how many seconds of silence a process of --multihost counts as lost; '
  'the others then end.',
  lower_bound=5,
  upper_bound=3600,
)
_MULTIHOST = flags.DEFINE_string(
  'multihost',
  'off',
  'off; auto (a TPU pod, Slurm or Kubernetes); or ADDRESS:PORT,N,I: where '
  'process 0 listens, the number of processes, and which of them this is.',
)


def main() -> None:
  """Runs the chosen stages; finished ones are skipped."""
  config = command.config()
  if _DISCARD_ANSWERS.value and not _OVERWRITE.value:
    raise errors.UsageError('--discard_answers is for --overwrite')
  stop.install()
  multihost.start(_MULTIHOST.value, _MULTIHOST_TIMEOUT.value)
  command.use_compilation_cache()
  check.check(config)
  workdir = workdir_lib.named(
    _WORKDIR.value or f'runs/{command.config_name()}',
    rounds=config.acquire.rounds,
  )
  run = run_lib.open_run(config, workdir, _STAGE.value)
  check.check_classes(config, run.classes.names)
  if _DRY_RUN.value:
    if _OVERWRITE.value:
      raise errors.UsageError(
        '--dry_run deletes nothing: leave --overwrite out'
      )
    plan.show(run, list(in_order(_STAGE.value, workdir)))
    return
  check.check_devices(config)
  if _OVERWRITE.value or not processes.decided(
    functools.partial(workdir.started, 'uda'), 'whether the run has started'
  ):
    check.check_data(run)
  with contextlib.ExitStack() as held:
    held.enter_context(record.locked(workdir))
    processes.decided(functools.partial(claim, run), 'the workdir')
    workdir.share('the workdir')
    held.enter_context(pushed(workdir))
    progress.say(f'workdir {workdir}')
    for stage, at in in_order(_STAGE.value, workdir):
      run_stage(stage, dataclasses.replace(run, workdir=at), held)


@contextlib.contextmanager
def pushed(workdir: workdir_lib.Workdir) -> Iterator[None]:
  """Brings to its place what the block writes, also where it is stopped."""
  try:
    yield
  except BaseException:
    try:
      workdir.push()
    except errors.UserError as error:
      progress.say(str(error))  # and let through what ended the block
    raise
  workdir.push()


def claim(run: run_lib.Run) -> None:
  """Makes the workdir this run's, empty if that was asked for."""
  if _OVERWRITE.value:
    record.clear(run.workdir, discard_answers=_DISCARD_ANSWERS.value)
  record.claim(run.workdir, run.config, run.classes)


def in_order(
  asked: str, workdir: workdir_lib.Workdir
) -> Iterator[tuple[str, workdir_lib.Workdir]]:
  """The stages to run, each with the workdir at its round of questions."""
  if asked != 'all':
    round = processes.decided(lambda: workdir.current().round, 'the round')
    yield asked, workdir.at(round)
    return
  yield 'uda', workdir
  for round in range(1, workdir.rounds + 1):
    for stage in workdir_lib.REPEATED:
      yield stage, workdir.at(round)
  yield 'evaluate', workdir.at(workdir.rounds)
  yield 'report', workdir.at(workdir.rounds)


def run_stage(stage: str, run: run_lib.Run, lock: contextlib.ExitStack) -> None:
  """Runs one stage unless it has finished; `lock` keeps others away."""
  workdir = run.workdir
  labels.require_before(run, stage)
  if processes.decided(workdir.done(stage).exists, f'whether {stage} is done'):
    which = f', round {workdir.round}' if stage in workdir_lib.REPEATED else ''
    progress.say(f'{stage}{which if workdir.rounds > 1 else ""}: done before')
    return
  stop.check()  # what begins now may look only after minutes of compiling
  # No page is served from a store, whose lock also pushes when it ends.
  if labels.serves_page(run, stage) and not workdir.mirror:
    lock.close()  # for days, during which other stages may run
  with history.recorded(workdir, stage):
    STAGES[stage](run)
  # People whose labels the run does without may still give them.
  if stage not in _NEVER_DONE and not (
    stage == 'annotate' and labels.do_without(run)
  ):
    if processes.is_first():
      workdir.mark_done(stage)
    workdir.share(f'the end of {stage}')


if __name__ == '__main__':
  command.run(main)
