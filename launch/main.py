"""Runs the stages in order: python -m launch.main --config=configs/NAME.py.

The same command continues a run that stopped.
"""

from absl import flags

from pointsup_jax import command, errors
from pointsup_jax.hosts import joining, stopping
from pointsup_jax.run import workdir as workdir_lib
from pointsup_jax.stages import sequence

_WORKDIR = flags.DEFINE_string(
  'workdir',
  None,
  'Folder of the run, local or gs://; runs/<config name> if not given.',
)
_STAGE = flags.DEFINE_enum(
  'stage', 'all', ('all', *sequence.STAGES), 'Which stage to run.'
)
_DRY_RUN = flags.DEFINE_bool(
  'dry_run', False, 'Only say what would be done; write nothing.'
)
_OVERWRITE = flags.DEFINE_bool(
  'overwrite',
  False,
  'Delete what the workdir holds, but not what people answered; start anew.',
)
_DISCARD_ANSWERS = flags.DEFINE_bool(
  'discard_answers',
  False,
  'With --overwrite: delete also what people answered.',
)
_MULTIHOST_TIMEOUT = flags.DEFINE_float(
  'multihost_timeout',
  joining.SILENCE,
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
  if _DRY_RUN.value and _OVERWRITE.value:
    raise errors.UsageError('--dry_run deletes nothing: leave --overwrite out')
  stopping.install()
  joining.start(_MULTIHOST.value, _MULTIHOST_TIMEOUT.value)
  command.use_compilation_cache()
  sequence.run_stages(
    config,
    workdir_lib.named(
      _WORKDIR.value or f'runs/{command.config_name()}',
      rounds=config.acquire.rounds,
    ),
    _STAGE.value,
    dry_run=_DRY_RUN.value,
    overwrite=_OVERWRITE.value,
    discard_answers=_DISCARD_ANSWERS.value,
  )


if __name__ == '__main__':
  command.run(main)
