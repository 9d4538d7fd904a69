r"""Many runs of one experiment, as a table and a curve over points spent.

  python -m launch.study --config=configs/streets_active.py --out=runs/study \
      --vary=acquire.score=entropy,random --vary=acquire.k=2,10,40 --seeds=3 \
      --also=acquire.strategy=self_training --also=acquire.strategy=full

runs every combination of what is varied, and each `also` besides, with every
seed; a process a run. Runs that differ only in what comes after stage 1 share
it; with --uda_only nothing comes after it. What has been run is kept: the same
command continues, and a longer one adds to it. The results, in OUT: table.md,
table.csv and table.tex (a row a setting, as in the paper's Table 3),
differences.csv (each row over each other, paired by seed), classes.csv and
classes.tex (a column a class, as in Tables 1 and 2; means over the seeds),
curve.png, and study.json.
"""

import collections
import itertools
import pathlib
import signal
from collections.abc import Iterator, Sequence

import ml_collections
from absl import flags

from launch import study_rows as rows_lib
from launch import study_runs as runs
from pointsup_jax import command, errors, object_store, progress
from pointsup_jax.data import domains
from pointsup_jax.reporting import paper
from pointsup_jax.reporting import scores as scores_lib
from pointsup_jax.reporting import study as study_lib
from pointsup_jax.reporting.figures import points
from pointsup_jax.stages import check
from pointsup_jax.stages import workdir as workdir_lib

_VARY = flags.DEFINE_multi_string(
  'vary', [], 'FIELD=VALUE,VALUE,...; several of them are combined.'
)
_ALSO = flags.DEFINE_multi_string(
  'also', [], 'FIELD=VALUE [FIELD=VALUE ...]: one more run beside them.'
)
_SEEDS = flags.DEFINE_integer('seeds', 3, 'How many seeds, from 0.', 1)
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
  settings = list(chosen(_VARY.value, _ALSO.value, config))
  for setting in settings:
    check.check(changed(config, setting.fields))
  out = pathlib.Path(_OUT.value or f'runs/study_{command.config_name()}')
  seeds = range(_SEEDS.value)
  signal.signal(signal.SIGTERM, signal.default_int_handler)
  runner = runs.Runner(out, _JOBS.value)
  failed = runner.run(settings, seeds, points=not _UDA_ONLY.value)
  whole = [
    setting
    for setting in settings
    if not failed.keys()
    & {folder for s in seeds for folder in runs.folders(out, setting, s)}
  ]
  if whole:
    report(rows_lib.Study(out, whole, seeds, config))
  if failed:
    said = '; '.join(f'{folder} ({why})' for folder, why in failed.items())
    raise errors.UserError(
      f'{len(failed)} runs failed: {said}; mend that and run the same command '
      'again'
    )


def report(study: rows_lib.Study) -> None:
  """Gathers the scores of the runs and writes what they say."""
  found = rows_lib.levels(study)
  full = 0
  if not _UDA_ONLY.value:
    found += rows_lib.with_points(study)
    full = rows_lib.all_points(study)
  write(study, found, full)


def chosen(
  vary: Sequence[str],
  also: Sequence[str],
  config: ml_collections.ConfigDict,
) -> Iterator[runs.Setting]:
  """All settings, in the order of the command line.

  Raises:
    errors.UsageError: there are none, or one is not FIELD=VALUE of `config`.
  """
  axes = []
  for text in vary:
    name, values = parse(text, '--vary')
    axes.append([(name, value) for value in values.split(',')])
  found = dict.fromkeys(
    setting_of(fields, True, config)
    for fields in itertools.product(*axes)
    if fields
  )
  for text in also:
    fields = tuple(parse(x, '--also') for x in text.split())
    found[setting_of(fields, False, config)] = None
  folders = collections.Counter(runs.slug(setting.fields) for setting in found)
  twice = [name for name, count in folders.items() if count > 1]
  if twice:
    raise errors.UsageError(f'two settings have the same folder {twice[0]}')
  if not found:
    raise errors.UsageError('--vary=FIELD=VALUE,VALUE says what is compared')
  return iter(found)


def setting_of(
  fields: runs.Fields, grid: bool, config: ml_collections.ConfigDict
) -> runs.Setting:
  """A setting, with what of it stage 1 depends on; see `runs.Setting`."""
  before = command.flatten(config)
  after = command.flatten(changed(config, fields))
  stage_1 = tuple(
    (name, str(after[name]))
    for name in sorted({name for name, _ in fields})
    if after[name] != before[name] and runs.of_stage_1(name)
  )
  return runs.Setting(fields, grid, stage_1)


def parse(text: str, flag: str) -> tuple[str, str]:
  """FIELD=VALUE, with or without 'config.' before it."""
  name, equals, value = text.partition('=')
  if not equals or not value:
    raise errors.UsageError(f'{flag}={text} is not FIELD=VALUE')
  return name.removeprefix('config.'), value


def changed(
  config: ml_collections.ConfigDict, fields: runs.Fields
) -> ml_collections.ConfigDict:
  """A config with fields set.

  Raises:
    errors.UsageError: there is no such field, or it takes no such value.
  """
  config = config.copy_and_resolve_references()
  known = command.flatten(config)
  for name, text in fields:
    typo = command.unknown_field([f'config.{name}'], known)
    if typo:
      raise errors.UsageError(typo)
    if name == 'seed':
      raise errors.UsageError('--seeds says which seeds are run')
    kind = type(known[name])
    if kind not in (int, float, str, bool) or name == 'data.evaluation.split':
      raise errors.UsageError(f'{name} is {known[name]}: it cannot be varied')
    try:
      value = (
        {'True': True, 'False': False}[text] if kind is bool else kind(text)
      )
    except (KeyError, ValueError) as error:
      raise errors.UsageError(f'{name}={text}: {error}') from error
    config.update_from_flattened_dict({name: value})
  return config


def write(
  study: rows_lib.Study, found: Sequence[rows_lib.Scored], full: int
) -> None:
  """Writes the results and prints the table."""
  out, seeds = study.out, study.seeds
  names = domains.classes_of(study.config.data).names
  rows = [one.row for one in found]
  table = study_lib.lines(rows, full)
  classes = [scores_lib.average(one.row.title, one.seeds) for one in found]
  text = study_lib.markdown(table, seeds)
  files = {
    'table.md': text + '\n',
    'table.csv': study_lib.comma_separated(table, seeds),
    'table.tex': study_lib.latex(table),
    'differences.csv': study_lib.differences(rows),
    'classes.csv': paper.iou_csv(classes, names),
    'classes.tex': paper.iou_latex(classes, names),
  }
  for name, content in files.items():
    (out / name).write_text(content)
  workdir_lib.write_json(
    out / 'study.json',
    {'seeds': list(seeds), 'rows': [row._asdict() for row in rows]},
  )
  if any(row.series for row in rows):
    (out / 'curve.png').write_bytes(points.draw(table, seeds))
  print(text)
  progress.say(f'study: {", ".join(files)} and more in {out}')


if __name__ == '__main__':
  command.run(main)
