"""Says whether the answers were worth their time, and what more would bring."""

import math
from collections.abc import Sequence

import numpy as np

from pointsup_jax.evaluation import resampling
from pointsup_jax.hosts import wording
from pointsup_jax.report import comparison, held_back
from pointsup_jax.report import contents as contents_lib
from pointsup_jax.run import trained_models

_MORE = 1000  # answers


def sentences(contents: contents_lib.Contents) -> list[str]:
  """The verdict, then its price, an outlook and what the interval means.

  From scores of images, else from held-back points; empty without a model from
  before the answers and one from after.
  """
  labelling = contents.labelling
  if labelling is None:
    return []
  models = _compared(contents.scores)
  if len(models) < 2:
    return held_back.worth(contents.on_points) if contents.on_points else []
  before, *between, after = models
  worth = _gain(before, after)
  found = [_worth(worth, 100 * before.means['mIoU'], 100 * after.means['mIoU'])]
  answers = labelling.used.get(after.model, labelling.clicks.labelled)
  pace = _seconds_an_answer(labelling)
  if worth.low > 0 and answers:
    found.append(_price(worth, answers, pace))
  last, new = worth, answers  # of the last round
  if between:
    last = _gain(between[-1], after)
    new -= labelling.used.get(between[-1].model, 0)
  if new > 0:
    found.append(_outlook(last, new, answers, pace))
  found.append(
    f'The interval comes from resampling the {after.images:,} scored images. '
    'Training with another seed changes mIoU as well, which one run cannot '
    'tell: launch.study compares seeds.'
  )
  return found


def _gain(
  before: comparison.Scores, after: comparison.Scores
) -> resampling.Estimate:
  """The gain in mIoU between two models, scored on the same images."""
  first, second = (
    np.stack([model.image_counts[name] for name in before.image_counts])
    for model in (before, after)
  )
  return resampling.mean_iou_gain(first, second)


def _compared(
  scores: Sequence[comparison.Scores],
) -> list[comparison.Scores]:
  """The model before the answers and those after, in order of training."""
  names = [model.model for model in scores]
  if trained_models.UDA not in names:
    return []
  kept = list(scores[names.index(trained_models.UDA) :])
  same = {frozenset(model.image_counts) for model in kept}
  known = all(not math.isnan(model.means['mIoU']) for model in kept)
  return kept if known and len(same) == 1 and kept[0].image_counts else []


def _worth(worth: resampling.Estimate, before: float, after: float) -> str:
  interval = (
    'one labelled image gives no interval'
    if math.isnan(worth.low)
    else f'95% interval {100 * worth.low:+z.1f} to {100 * worth.high:+z.1f}'
  )
  change = f'from {before:.1f} to {after:.1f} ({interval})'
  points = f'{100 * abs(worth.value):.1f} points'
  if worth.low > 0:
    return f'The answers raised mIoU by {points}, {change}.'
  if worth.high < 0:
    return (
      f'The answers lowered mIoU by {points}, {change}: use the model from '
      'before them.'
    )
  return f'Whether the answers helped cannot be told: mIoU went {change}.'


def _price(worth: resampling.Estimate, answers: int, pace: float | None) -> str:
  gained = 100 * worth.value
  each = f'{answers / gained:,.0f} answers'
  if pace is None:
    return f'That is a point of mIoU for {each}.'
  return (
    f'{answers:,} answers took {wording.duration(answers * pace)}: {each}, or '
    f'{wording.duration(answers * pace / gained)}, a point of mIoU.'
  )


def _outlook(
  last: resampling.Estimate, new: int, answers: int, pace: float | None
) -> str:
  """What more answers can bring, if later ones bring no more than earlier.

  mIoU is then a concave function of the answers, so its rise over the last
  round bounds what comes after. Where it was tried, that held if few answers
  weigh less (`adapt.enough_answers`), and for all but the first few hundred
  otherwise (docs/RESULTS.md). With an earlier round, a rise with the logarithm
  of the answers gives an estimate as well.
  """
  which = f'last {new:,} answers' if new < answers else f'{answers:,} answers'
  most = last.value if math.isnan(last.high) else last.high
  if most <= 0:
    return (
      f'The {which} brought nothing: more of the same kind will not either.'
    )
  time = '' if pace is None else f', about {wording.duration(_MORE * pace)},'
  rate = 100 * _MORE / new
  said = f'{_MORE:,} more{time} would bring '
  if new < answers and last.value > 0:
    rises = math.log1p(_MORE / answers) / math.log(answers / (answers - new))
    said += f'about {100 * last.value * rises:.1f} points and '
  highest = rate * most
  return (
    f'{said}at most {highest:.1f} if later answers bring no more than earlier '
    f'ones; the {which} brought {rate * last.value:.1f} a thousand.'
  )


def _seconds_an_answer(labelling: contents_lib.PointLabels) -> float | None:
  if not labelling.effort:
    return None
  everyone = labelling.effort[-1]
  if not everyone.timed or everyone.hours is None:
    return None
  return 3600 * everyone.hours / everyone.timed
