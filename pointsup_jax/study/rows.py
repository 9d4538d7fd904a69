"""Rows of a study's tables: the score and cost of each model."""

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import ml_collections
import numpy as np

from pointsup_jax.annotation import store as store_lib
from pointsup_jax.data import domains
from pointsup_jax.hosts import json_files
from pointsup_jax.report import comparison as scores_lib
from pointsup_jax.run import scores_on_disk
from pointsup_jax.run import trained_models as models_lib
from pointsup_jax.run import workdir as workdir_lib
from pointsup_jax.study import runs, settings
from pointsup_jax.study import table as study_lib

UDA = models_lib.UDA  # the baseline of gains


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
    seeds.append(scores_lib.from_json(row.title, '', known))
  miou = tuple(100 * scores.means['mIoU'] for scores in seeds)
  return Scored(row._replace(miou=miou), seeds)


def levels(study: Study) -> list[Scored]:
  """The models trained without points, for each stage 1.

  A model before UDA is listed once for each source-only phase, and once in all
  if its scores are the same in every stage 1.
  """
  of_column: dict[str, dict[str, Scored]] = {}
  for fields, named in named_by(study.settings).items():
    folders = [runs.base(study.out, fields, seed) for seed in study.seeds]
    for name, column, phase in models_lib.all_of(
      workdir_lib.Workdir(folders[0])
    ):
      if models_lib.is_trained(phase):
        before = column != UDA
        shown = [x for x in named if not (before and runs.of_method(x[0]))]
        title, mine = level(column, shown), of_column.setdefault(column, {})
        if title not in mine:
          row = study_lib.Row(title, None, 0, 0, ())
          mine[title] = scored(study, row, folders, name)
  found: list[Scored] = []
  for column, mine in of_column.items():
    first, *others = mine.values()
    if column != UDA and all(_same(one, first) for one in others):
      found.append(first._replace(row=first.row._replace(title=column)))
    else:
      found += mine.values()
  return found


def _same(one: Scored, other: Scored) -> bool:
  return all(
    np.array_equal(x.matrix, y.matrix)
    for x, y in zip(one.seeds, other.seeds, strict=True)
  )


def with_points(study: Study) -> list[Scored]:
  """The models trained with points, one per setting."""
  found = []
  named = named_by(study.settings)
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
      over=level(UDA, named[setting.stage_1]),
      whole=annotate.whole_images,
    )
    found.append(scored(study, row, folders, 'adapt'))
  return found


def named_by(
  settings: Sequence[runs.Setting],
) -> dict[runs.Fields, runs.Fields]:
  """The fields that title each stage 1: those given that it depends on.

  None if there is only one stage 1.
  """
  found: dict[runs.Fields, runs.Fields] = {}
  for setting in settings:
    given = tuple(x for x in setting.fields if runs.of_stage_1(x[0]))
    found.setdefault(setting.stage_1, given)
  return found if len(found) > 1 else dict.fromkeys(found, ())


def level(column: str, named: Sequence[tuple[str, str]]) -> str:
  """The title of a model trained without points."""
  return ', '.join(filter(None, [column, runs.title(tuple(named))]))


def series(setting: runs.Setting) -> str:
  """The curve of a setting; grid settings share it across k and budget."""
  how_much = ('acquire.k', 'acquire.budget')
  kept = [x for x in setting.fields if not setting.grid or x[0] not in how_much]
  return runs.title(tuple(kept)) or 'points'


def cost(folder: pathlib.Path) -> tuple[int, float]:
  """The answered points of a run and their total seconds."""
  with store_lib.Store(workdir_lib.Workdir(folder).annotations) as store:
    return store.spent()


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
