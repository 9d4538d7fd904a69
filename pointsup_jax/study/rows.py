"""Rows of a study's tables: the score and cost of each model."""

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import ml_collections

from pointsup_jax import command
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.data import domains
from pointsup_jax.hosts import json_files
from pointsup_jax.report import comparison as scores_lib
from pointsup_jax.run import scores_on_disk
from pointsup_jax.run import trained_models as models_lib
from pointsup_jax.run import workdir as workdir_lib
from pointsup_jax.study import runs, settings
from pointsup_jax.study import table as study_lib

UDA = 'UDA'  # column in `run.trained_models`; the baseline of gains


class Study(NamedTuple):
  """The settings and seeds of a study."""

  out: pathlib.Path
  settings: Sequence[runs.Setting]
  seeds: Sequence[int]
  config: ml_collections.ConfigDict

  @property
  def split(self) -> str:
    """The evaluation split."""
    return self.config.data.evaluation.split


class Scored(NamedTuple):
  """A table row and its model's scores, one per seed."""

  row: study_lib.Row
  seeds: list[scores_lib.Scores]


def scored(
  study: Study, row: study_lib.Row, folders: Sequence[pathlib.Path], model: str
) -> Scored:
  """Reads a model's scores from one workdir per seed, and fills row.miou."""
  parse = scores_on_disk.of_classes(domains.classes_of(study.config.data))
  seeds = []
  for folder in folders:
    path = workdir_lib.Workdir(folder).evaluation(model, study.split)
    known = json_files.read(path, parse)
    seeds.append(scores_lib.from_json(row.title, known))
  miou = tuple(100 * scores.means['mIoU'] for scores in seeds)
  return Scored(row._replace(miou=miou), seeds)


def levels(study: Study) -> list[Scored]:
  """The models trained without points, for each stage 1.

  A model before UDA with the same scores in every stage 1 is listed once.
  """
  of_column: dict[str, list[Scored]] = {}
  titles = stage_1_titles(study.settings, study.config)
  for fields, which in titles.items():
    folders = [runs.base(study.out, fields, seed) for seed in study.seeds]
    for name, column, phase in models_lib.all_of(
      workdir_lib.Workdir(folders[0])
    ):
      if models_lib.is_trained(phase):
        row = study_lib.Row(level(column, which), None, 0, 0, ())
        of_column.setdefault(column, []).append(
          scored(study, row, folders, name)
        )
  found = []
  for column, mine in of_column.items():
    matrices = {tuple(x.matrix.tobytes() for x in one.seeds) for one in mine}
    if column != UDA and len(matrices) == 1:
      mine = [mine[0]._replace(row=mine[0].row._replace(title=column))]
    found += mine
  return found


def with_points(study: Study) -> list[Scored]:
  """The models trained with points, one per setting."""
  found = []
  titles = stage_1_titles(study.settings, study.config)
  for setting in study.settings:
    folders = [runs.workdir(study.out, setting, seed) for seed in study.seeds]
    costs = [cost(folder) for folder in folders]
    annotate = settings.changed(study.config, setting.fields).annotate
    images = annotate.whole_images * annotate.image_seconds
    row = study_lib.Row(
      runs.title(setting.fields),
      series(setting),
      sum(points for points, _ in costs) / len(costs),
      sum(seconds for _, seconds in costs) / len(costs) + images,
      (),
      over=level(UDA, titles[setting.stage_1]),
      whole=annotate.whole_images,
    )
    found.append(scored(study, row, folders, 'adapt'))
  return found


def stage_1_titles(
  settings: Sequence[runs.Setting], config: ml_collections.ConfigDict
) -> dict[runs.Fields, str]:
  """Titles each stage 1 by the fields that differ; '' if there is only one."""
  known = command.flatten(config)
  names = dict.fromkeys(name for x in settings for name, _ in x.stage_1)
  found = {}
  for fields in dict.fromkeys(setting.stage_1 for setting in settings):
    values = {name: str(known[name]) for name in names} | dict(fields)
    found[fields] = runs.title(tuple(values.items()))
  return found if len(found) > 1 else dict.fromkeys(found, '')


def level(column: str, stage_1: str) -> str:
  """The title of a model trained without points."""
  return f'{column}, {stage_1}' if stage_1 else column


def series(setting: runs.Setting) -> str:
  """The curve of a setting; grid settings share it across k and budget."""
  how_much = ('acquire.k', 'acquire.budget')
  kept = [x for x in setting.fields if not setting.grid or x[0] not in how_much]
  return runs.title(tuple(kept)) or 'points'


def cost(folder: pathlib.Path) -> tuple[int, float]:
  """The answered points of a run and their total seconds."""
  with store_lib.Store(workdir_lib.Workdir(folder).annotations) as store:
    answers = store.current_answers().values()
  return len(answers), sum(answer.seconds or 0.0 for answer in answers)


def all_points(study: Study) -> int:
  """The most answered points under the 'full' strategy; 0 without one."""
  return max(
    (
      cost(runs.workdir(study.out, setting, study.seeds[0]))[0]
      for setting in study.settings
      if strategy(study, setting) == 'full'
    ),
    default=0,
  )


def strategy(study: Study, setting: runs.Setting) -> str:
  """The acquisition strategy of a setting."""
  fields = dict(setting.fields)
  return fields.get('acquire.strategy', study.config.acquire.strategy)
