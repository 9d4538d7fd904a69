r"""Compares settings of an experiment: a table, and curves over points, hours.

  python -m launch.study --config=configs/streets_active.py --out=runs/study \
      --vary=acquire.score=entropy,random --vary=acquire.k=2,10,40 --seeds=3 \
      --also=acquire.strategy=self_training --also=acquire.strategy=full

Runs every combination of the --vary values, and each --also, with every seed,
each in its own process. Runs that differ only after stage 1, or only after its
source-only phase, share it; with --uda_only they end with stage 1. Finished
runs are kept: the same command continues, and a longer one adds to it. A line
says how far the runs are and how long the rest may take. OUT gets
table.md, .csv and .tex (a row per setting, as in the paper's Table 3),
differences.csv (row against row, paired by seed), classes.csv and .tex (a
column per class, as in Tables 1 and 2; means over seeds), curve.png,
study.json, and index.html, a page with all of it.
"""

import pathlib

from absl import flags

from pointsup_jax import command, errors
from pointsup_jax.hosts import object_store
from pointsup_jax.run import config_check
from pointsup_jax.study import plan, progress, results, runs
from pointsup_jax.study import rows as rows_lib
from pointsup_jax.study import settings as settings_lib

_VARY = flags.DEFINE_multi_string(
  'vary', [], 'FIELD=VALUE,VALUE,...; several of them are combined.'
)
_ALSO = flags.DEFINE_multi_string(
  'also', [], 'FIELD=VALUE [FIELD=VALUE ...]: one more run beside them.'
)
_SEEDS = flags.DEFINE_integer('seeds', 3, 'How many seeds.', 1)
_FIRST_SEED = flags.DEFINE_integer(
  'first_seed', 0, 'The first one; machines can share the seeds among them.', 0
)
_OUT = flags.DEFINE_string(
  'out', None, 'Folder of the runs; runs/study_<config name> if not given.'
)
_UDA_ONLY = flags.DEFINE_bool(
  'uda_only', False, 'Compare the models of stage 1; ask for no points.'
)
_JOBS = flags.DEFINE_integer(
  'jobs', 1, 'Runs at a time; on a CPU each gets its share of the cores.', 1
)


def main() -> None:
  """Runs what is missing, then writes and prints the table."""
  config = command.config()
  object_store.require_local(_OUT.value or '', '--out')
  settings = list(settings_lib.chosen(_VARY.value, _ALSO.value, config))
  for setting in settings:
    changed = settings_lib.changed(config, setting.fields)
    config_check.check(changed)
    settings_lib.require_comparable(changed)
  out = pathlib.Path(_OUT.value or f'runs/study_{command.config_name()}')
  seeds = range(_FIRST_SEED.value, _FIRST_SEED.value + _SEEDS.value)
  study = rows_lib.Study(out, settings, seeds, config)
  points = not _UDA_ONLY.value
  planned = plan.all_runs(study, points=points)
  with progress.Watch(planned, _JOBS.value) as watch:
    runner = runs.Runner(out, _JOBS.value, watch.show)
    failed = runner.run(settings, seeds, points=points)
  whole = [
    setting
    for setting in settings
    if not failed.keys()
    & {folder for s in seeds for folder in runs.folders(out, setting, s)}
  ]
  if whole:
    results.report(study._replace(settings=whole), points=points)
  if failed:
    said = '; '.join(f'{folder} ({why})' for folder, why in failed.items())
    raise errors.UserError(
      f'{len(failed)} runs failed: {said}; fix that and run the same command '
      'again'
    )


if __name__ == '__main__':
  command.run(main)
