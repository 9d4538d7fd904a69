"""Draws the report's figures."""

from pointsup_jax import errors
from pointsup_jax.hosts import progress
from pointsup_jax.report import contents as contents_lib
from pointsup_jax.report import images, page, predictions
from pointsup_jax.report.figures import (
  clicks_chart,
  confusion_chart,
  image_strips,
  iou_chart,
  loss_chart,
)
from pointsup_jax.run import context as run_lib


def draw(
  run: run_lib.Run,
  contents: contents_lib.Contents,
  predict: predictions.Predict,
) -> tuple[dict[str, page.Drawing], list[str]]:
  """Draws figures by place; also returns messages on what is missing."""
  pictures = charts(run, contents)
  missing = []
  for place, gather, what in (
    ('evaluated', images.evaluated, 'Evaluated images'),
    ('asked', images.asked, 'Images with points'),
  ):
    try:
      found = gather(run, predict)
    except errors.Stopped:
      raise
    except errors.UserError as error:  # e.g. data moved
      missing.append(f'{what}: {error}.')
      progress.say(f'note: {what.lower()} are not in the report: {error}')
      continue
    missing += found.missing
    if found.strips:
      pictures[place] = page.Drawing(
        f'{place}.png',
        image_strips.draw(found.strips, run.classes),
        f'{what}: ' + '; '.join(f'{x.title}, {x.name}' for x in found.strips),
      )
  return pictures, missing


def charts(
  run: run_lib.Run, contents: contents_lib.Contents
) -> dict[str, page.Drawing]:
  """Draws the figures without images, by place on the page."""
  found = {}
  if contents.scores:
    last = contents.scores[-1]
    found['iou'] = page.Drawing(
      'iou.png',
      iou_chart.draw(contents.scores, contents.classes),
      'IoU of every class: '
      + ', '.join(model.column for model in contents.scores),
    )
    found['confusion'] = page.Drawing(
      'confusion.png',
      confusion_chart.draw(last.matrix, contents.classes),
      f'Confusion matrix of {last.column}: shares of each true class',
    )
  if contents.labelling:
    asked = contents.labelling.clicks
    found['clicks_by_class'] = page.Drawing(
      'clicks_by_class.png',
      clicks_chart.by_class(asked, contents.classes),
      'Points by guessed and by answered class, and how often they differ',
    )
    found['clicks_by_patch'] = page.Drawing(
      'clicks_by_patch.png',
      clicks_chart.by_patch(asked, tuple(run.config.data.target.size)),
      'How often each patch of the grid was asked',
    )
  if contents.phases:
    found['curves'] = page.Drawing(
      'curves.png',
      loss_chart.draw(contents.phases),
      'Losses of every training phase',
    )
  return found
