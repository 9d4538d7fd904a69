"""python -m launch.main --config=configs/NAME.py: the stages, in order.

Running the same command again continues where it stopped.
"""

import pathlib

from absl import flags

from pointsup_jax import command, progress, stop
from pointsup_jax.stages import (
  acquire,
  adapt,
  annotate,
  check,
  evaluate,
  labels,
  record,
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
}

_WORKDIR = flags.DEFINE_string(
  'workdir', None, 'Folder of the run; runs/<config name> if not given.'
)
_STAGE = flags.DEFINE_enum(
  'stage', 'all', ('all', *STAGES), 'Which stage to run.'
)
_OVERWRITE = flags.DEFINE_bool(
  'overwrite', False, 'Delete what the workdir holds and start anew.'
)


def main() -> None:
  """Runs the chosen stages; finished ones are skipped."""
  config = command.config()
  stop.install()
  command.use_compilation_cache()
  check.check(config)
  workdir = workdir_lib.Workdir(
    pathlib.Path(_WORKDIR.value or f'runs/{command.config_name()}')
  )
  run = run_lib.open_run(config, workdir, _STAGE.value)
  check.check_classes(config, run.classes.names)
  if _OVERWRITE.value:
    record.clear(workdir)
  if not workdir.started('uda'):
    check.check_data(run)
  record.claim(workdir, config, run.classes)
  progress.say(f'workdir {workdir.root}')
  for stage in STAGES if _STAGE.value == 'all' else (_STAGE.value,):
    labels.require_before(run, stage)
    if workdir.done(stage).exists():
      progress.say(f'{stage}: done before')
      continue
    STAGES[stage](run)
    # Evaluation finds out by itself what has been scored; people whose labels
    # the run does without may still give them.
    if stage != 'evaluate' and not (
      stage == 'annotate' and labels.do_without(run)
    ):
      workdir.mark_done(stage)


if __name__ == '__main__':
  command.run(main)
