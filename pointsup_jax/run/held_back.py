"""The answers of a run that are held back from training, and their scores."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypedDict

import msgspec

from pointsup_jax.annotation import holdout, records, schema
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.hosts import json_files
from pointsup_jax.run import context as run_lib
from pointsup_jax.run import scores_on_disk, trained_models
from pointsup_jax.types import IGNORE


class Point(NamedTuple):
  """A point that was held back and answered with a class."""

  id: str
  image: str
  row: int
  col: int
  answer: int


class _Scores(TypedDict):
  """What all readers of the file rely on."""

  network: str  # see `context.Run.network`
  step: json_files.Count
  images: json_files.Count
  accuracy: json_files.Number
  points: list[tuple[str, json_files.Count]]  # id and answer
  predictions: list[json_files.Count]


def requests(run: run_lib.Run, store: store_lib.Store) -> list[records.Request]:
  """The points held back, answered or not."""
  share = run.config.adapt.holdout
  if not share:
    return []
  return holdout.held_back(store.each_request(), share, run.seed('holdout'))


def points(run: run_lib.Run) -> list[Point]:
  """The points to score on; leaves out 'unsure' and 'none of the classes'."""
  if not run.config.adapt.holdout or not run.workdir.annotations.exists():
    return []
  with store_lib.Store(
    run.workdir.annotations, connect=schema.connect_to_copy
  ) as store:
    current = store.current_answers()
    return [
      Point(asked.id, asked.image, asked.row, asked.col, entry.label)
      for asked in requests(run, store)
      if (entry := current.get(asked.id)) is not None
      and entry.label not in (None, IGNORE)
    ]


def known(
  run: run_lib.Run,
  model: trained_models.Model,
  step: int,
  points: Sequence[Point],
) -> dict | None:
  """The saved scores on `points`; None if absent, outdated or damaged."""
  return scores_on_disk.read(
    run.workdir.held_back(model.name), about(run, model, step, points), parse
  )


def parse(found: dict[str, Any]) -> dict[str, Any]:
  """Returns the content of a file of such scores; ValueError if damaged."""
  msgspec.convert(found, _Scores)
  if len(found['points']) != len(found['predictions']):
    raise ValueError('it has not one prediction a point')
  return found


def about(
  run: run_lib.Run,
  model: trained_models.Model,
  step: int,
  points: Sequence[Point],
) -> dict[str, Any]:
  """The fields, besides the model's phase, that the scores depend on."""
  return {
    # Stages refuse to go on with other images of the target.
    **scores_on_disk.about(run, model, step, '', 'target'),
    'points': [[point.id, point.answer] for point in points],
  }
