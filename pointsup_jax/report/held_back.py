"""Scores on the points held back from training, as a table and in words."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pointsup_jax.evaluation import points as points_lib
from pointsup_jax.evaluation import resampling
from pointsup_jax.report import table_formats
from pointsup_jax.run import context as run_lib
from pointsup_jax.run import held_back, trained_models


class PointScores(NamedTuple):
  """The scores of a run's models on the same points."""

  points: int
  images: int
  models: Mapping[str, points_lib.PointScore]  # by title, in order of training
  # The model before any points, and the last one against it, if both are there.
  before: points_lib.PointScore | None
  gain: resampling.Estimate | None
  at_random: bool  # whether the points were drawn, not chosen by a score


def compare(
  run: run_lib.Run,
  points: Sequence[held_back.Point],
  predictions: Mapping[str, Sequence[int]],
) -> PointScores:
  """Scores models, by column in order of training, on at least one point."""
  numbers = {name: i for i, name in enumerate({x.image for x in points})}
  images = np.array([numbers[point.image] for point in points])
  answers = np.array([point.answer for point in points])
  columns = list(predictions)
  made = np.array(list(predictions.values()))
  scores = points_lib.score(images, answers, made)
  before = gain = None
  if trained_models.UDA in columns[:-1]:
    first = columns.index(trained_models.UDA)
    pair = made[[first, -1]]
    gain = points_lib.score(images, answers, pair)[1].gain
    before = scores[first]
  titles = {x.column: run.title(x) for x in trained_models.all_of(run.workdir)}
  acquire = run.config.acquire
  return PointScores(
    points=len(points),
    images=len(numbers),
    models=dict(zip((titles[x] for x in columns), scores, strict=True)),
    before=before,
    gain=gain,
    at_random=acquire.strategy in ('random', 'full')
    or acquire.score == 'random',
  )


def screen(scores: PointScores) -> str:
  """The table, within 80 columns, and its sentences."""
  rows = [
    [
      name,
      share(score.accuracy),
      '' if score.gain is None else gain(score.gain),
      share(score.class_mean),
    ]
    for name, score in scores.models.items()
  ]
  table = table_formats.aligned(
    ['points in %', 'right', 'gain', 'mean of classes'], rows
  )
  return '\n'.join([table, *sentences(scores)])


def sentences(scores: PointScores) -> list[str]:
  """What was scored, whether the last model is better, and what that means."""
  several = 's' if scores.images > 1 else ''
  found = [
    f'Scored on {scores.points:,} answered points in {scores.images:,} '
    f'image{several}, held back from training. In brackets: 95% intervals'
    + (
      ', by resampling the images.'
      if scores.images > 1
      else ', which one image does not allow.'
    )
  ]
  found += worth(scores)
  found.append(
    'The points were drawn at random, so the accuracy estimates that over all '
    'pixels of these images.'
    if scores.at_random
    else 'The points were chosen where the model was least sure, so this is '
    'not the accuracy over all pixels.'
  )
  return found


def worth(scores: PointScores) -> list[str]:
  """The sentence that compares the last model with that before any points.

  None if either is missing.
  """
  if scores.gain is None or scores.before is None:
    return []
  before, after = scores.before, list(scores.models.values())[-1]
  chance = (
    ' The interval contains 0: this may be chance.'
    if scores.gain.low <= 0 <= scores.gain.high
    else ''
  )
  return [
    f'Before learning from points, the model is right at {before.right:,} of '
    f'{scores.points:,} held-back points; after, at {after.right:,}: '
    f'{gain(scores.gain)} percentage points.{chance}'
  ]


def share(estimate: resampling.Estimate) -> str:
  """A share in percent, with its interval."""
  return f'{100 * estimate.value:.1f}{_interval(estimate)}'


def gain(estimate: resampling.Estimate) -> str:
  """A difference in signed percentage points, with its interval."""
  return f'{100 * estimate.value:+z.1f}{_interval(estimate, "+z")}'


def _interval(estimate: resampling.Estimate, sign: str = '') -> str:
  if np.isnan(estimate.low):
    return ''
  low, high = 100 * estimate.low, 100 * estimate.high
  return f' ({low:{sign}.1f}, {high:{sign}.1f})'
