r"""Many runs of one experiment, as a table and a curve over points spent.

  python -m launch.study --config=configs/streets_active.py --out=runs/study \
      --vary=acquire.score=entropy,random --vary=acquire.k=2,10,40 --seeds=3 \
      --also=acquire.strategy=self_training --also=acquire.strategy=full

runs every combination of what is varied, and each `also` besides, with every
seed; a process a run. Runs that differ only in what comes after stage 1 share
it. What has been run is kept: the same command continues, and a longer one adds
to it. The results, in OUT: table.md and table.csv (a row a setting, as in the
paper's Table 3), classes.csv and classes.tex (a column a class, as in Tables 1
and 2; means over the seeds), curve.png, and study.json.
"""

import collections
import itertools
import json
import pathlib
import signal
from collections.abc import Iterator, Sequence

import ml_collections
from absl import flags

from launch import study_runs as runs
from pointsup_jax import command, errors, object_store, progress
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.data import domains
from pointsup_jax.reporting import paper
from pointsup_jax.reporting import scores as scores_lib
from pointsup_jax.reporting import study as study_lib
from pointsup_jax.reporting.figures import points
from pointsup_jax.stages import check
from pointsup_jax.stages import models as models_lib
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
_JOBS = flags.DEFINE_integer(
  'jobs', 1, 'Runs at a time; on a CPU each gets its share of the cores.', 1
)


def main() -> None:
  """Runs what is missing, then writes and prints the table."""
  config = command.config()
  object_store.require_local(_OUT.value or '', '--out')
  settings = list(chosen(_VARY.value, _ALSO.value))
  for setting in settings:
    check.check(changed(config, setting.fields))
  out = pathlib.Path(_OUT.value or f'runs/study_{command.config_name()}')
  seeds = range(_SEEDS.value)
  signal.signal(signal.SIGTERM, signal.default_int_handler)
  failed = runs.Runner(out, _JOBS.value).run(settings, seeds)
  whole = [
    setting
    for setting in settings
    if not failed.keys()
    & {of(out, setting, s) for of in (runs.base, runs.workdir) for s in seeds}
  ]
  if whole:
    report(out, whole, seeds, config)
  if failed:
    said = '; '.join(f'{folder} ({why})' for folder, why in failed.items())
    raise errors.UserError(
      f'{len(failed)} runs failed: {said}; mend that and run the same command '
      'again'
    )


def report(
  out: pathlib.Path,
  settings: Sequence[runs.Setting],
  seeds: Sequence[int],
  config: ml_collections.ConfigDict,
) -> None:
  """Gathers the scores of the runs and writes what they say."""
  split = config.data.evaluation.split
  rows, classes = [], []
  for row, folders, model in rows_of(out, settings, seeds):
    found = [scores_of(folder, model, split) for folder in folders]
    miou = tuple(100 * scores.means['mIoU'] for scores in found)
    rows.append(row._replace(miou=miou))
    classes.append(scores_lib.average(row.title, found))
  names = domains.classes_of(config.data).names
  full = all_points(out, settings[0], config)
  write(out, rows, classes, names, seeds, full)


def chosen(vary: Sequence[str], also: Sequence[str]) -> Iterator[runs.Setting]:
  """All settings, in the order of the command line.

  Raises:
    errors.UsageError: there are none, or one is not FIELD=VALUE.
  """
  axes = []
  for text in vary:
    name, values = parse(text, '--vary')
    axes.append([(name, value) for value in values.split(',')])
  found = dict.fromkeys(
    runs.Setting(fields, True) for fields in itertools.product(*axes) if fields
  )
  for text in also:
    found[
      runs.Setting(tuple(parse(x, '--also') for x in text.split()), False)
    ] = None
  folders = collections.Counter(runs.slug(setting.fields) for setting in found)
  twice = [name for name, count in folders.items() if count > 1]
  if twice:
    raise errors.UsageError(f'two settings have the same folder {twice[0]}')
  if not found:
    raise errors.UsageError('--vary=FIELD=VALUE,VALUE says what is compared')
  return iter(found)


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


def rows_of(
  out: pathlib.Path, settings: Sequence[runs.Setting], seeds: Sequence[int]
) -> Iterator[tuple[study_lib.Row, list[pathlib.Path], str]]:
  """Each row but for its scores, its workdirs, and the model in them.

  Before the settings come the models that cost no points, of each stage 1.
  """
  shared = list(dict.fromkeys(setting.stage_1 for setting in settings))
  for fields in shared:
    folders = [
      runs.base(out, runs.Setting(fields, True), seed) for seed in seeds
    ]
    for name, column, phase in models_lib.of(workdir_lib.Workdir(folders[0])):
      if phase.checkpoints.is_dir():
        which = level(column, fields, len(shared))
        yield study_lib.Row(which, None, 0, 0, ()), folders, name
  for setting in settings:
    folders = [runs.workdir(out, setting, seed) for seed in seeds]
    costs = [cost(folder) for folder in folders]
    row = study_lib.Row(
      runs.title(setting.fields),
      series(setting),
      sum(points for points, _ in costs) / len(costs),
      sum(seconds for _, seconds in costs) / len(costs),
      (),
      over=level('UDA', setting.stage_1, len(shared)),
    )
    yield row, folders, 'adapt'


def level(name: str, stage_1: runs.Fields, count: int) -> str:
  """The title of a model that costs no points, one of `count` of its kind."""
  which = runs.title(stage_1) or 'as configured'
  return name if count == 1 else f'{name}, {which}'


def series(setting: runs.Setting) -> str:
  """The curve of a row: combinations that differ in how much is asked."""
  how_much = ('acquire.k', 'acquire.budget')
  kept = [x for x in setting.fields if not setting.grid or x[0] not in how_much]
  return runs.title(tuple(kept)) or 'points'


def cost(folder: pathlib.Path) -> tuple[int, float]:
  """Answered points of a run, and the seconds they took."""
  with store_lib.Store(workdir_lib.Workdir(folder).annotations) as store:
    answers = store.holding().values()
  return len(answers), sum(answer.seconds or 0.0 for answer in answers)


def scores_of(
  folder: pathlib.Path, model: str, split: str
) -> scores_lib.Scores:
  """What evaluation says of a model."""
  path = workdir_lib.Workdir(folder).evaluation(model, split)
  return scores_lib.from_json(model, json.loads(path.read_text()))


def write(
  out: pathlib.Path,
  rows: Sequence[study_lib.Row],
  classes: Sequence[scores_lib.Scores],
  names: Sequence[str],
  seeds: Sequence[int],
  full: int,
) -> None:
  """Writes the results and prints the table."""
  table = study_lib.lines(rows, *ends(rows, full))
  text = study_lib.markdown(table, seeds)
  (out / 'table.md').write_text(text + '\n')
  (out / 'table.csv').write_text(study_lib.comma_separated(table, seeds))
  (out / 'classes.csv').write_text(paper.iou_csv(classes, names))
  (out / 'classes.tex').write_text(paper.iou_latex(classes, names))
  workdir_lib.write_json(
    out / 'study.json',
    {'seeds': list(seeds), 'rows': [row._asdict() for row in rows]},
  )
  (out / 'curve.png').write_bytes(points.draw(table, seeds))
  print(text)
  progress.say(
    f'study: {out}/table.md, table.csv, classes.csv, classes.tex, study.json, '
    'curve.png'
  )


def all_points(
  out: pathlib.Path, setting: runs.Setting, config: ml_collections.ConfigDict
) -> int:
  """The points of all patches of all target images."""
  path = workdir_lib.Workdir(runs.workdir(out, setting, 0)).annotations
  with store_lib.Store(path) as store:
    images = store.counts().images
  rows, cols = config.acquire.grid
  return images * rows * cols * config.acquire.n


def ends(
  rows: Sequence[study_lib.Row], full: int
) -> tuple[str | None, str | None]:
  """The rows that ask nothing and everything: 0 and 100 % of the gap.

  None where they had another stage 1 than other rows.
  """
  if len({row.over for row in rows if row.series is not None}) > 1:
    return None, None
  asked = {row.points: row.title for row in rows if row.series is not None}
  return asked.get(0), asked.get(full)


if __name__ == '__main__':
  command.run(main)
