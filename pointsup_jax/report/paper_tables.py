"""Tables in the paper's form: methods as rows; classes, then mIoU."""

from collections.abc import Mapping, Sequence

import numpy as np

from pointsup_jax.hosts import csv_text
from pointsup_jax.report import click_statistics as clicks_lib
from pointsup_jax.report import comparison as scores_lib
from pointsup_jax.report import kept_checkpoints, table_formats


def iou_csv(scores: Sequence[scores_lib.Scores], names: Sequence[str]) -> str:
  """IoU in percent with two decimals; empty where NaN."""
  return csv_text.write(
    ['method', *names, *scores[0].means],
    [
      [model.column, *(_number(x, 2, '') for x in _values(model))]
      for model in scores
    ],
  )


def iou_latex(scores: Sequence[scores_lib.Scores], names: Sequence[str]) -> str:
  """IoU in percent, best values bold; needs booktabs and graphicx."""
  means = scores[0].means
  table = np.round([_values(model) for model in scores], 1)
  best = np.max(np.nan_to_num(table, nan=-1.0), axis=0)
  rows = []
  for model, values in zip(scores, table, strict=True):
    cells = (
      rf'\textbf{{{x:.1f}}}'
      if len(scores) > 1 and x == top
      else _number(x, 1, '--')
      for x, top in zip(values, best, strict=True)
    )
    rows.append([table_formats.escaped(model.column), *cells])
  titles = map(table_formats.escaped, [*names, *means])
  return table_formats.latex(
    ['Method', *(rf'\rotatebox{{90}}{{{title}}}' for title in titles)],
    rows,
    columns=f'l{"c" * len(names)}|{"c" * len(means)}',
    packages='booktabs, graphicx',
  )


def confusion_csv(matrix: np.ndarray, names: Sequence[str]) -> str:
  """The confusion matrix in pixels; rows = truth."""
  return csv_text.write(
    ['true class', *names],
    [[name, *row] for name, row in zip(names, matrix, strict=True)],
  )


def clicks_csv(clicks: clicks_lib.Clicks, names: Sequence[str]) -> str:
  """Points by the model's guess (rows) and by answer (columns)."""
  return csv_text.write(
    ['guessed class', 'asked', *names, 'none of the classes'],
    [
      [name, asked, *answers]
      for name, asked, answers in zip(
        names, clicks.asked, clicks.answers, strict=True
      )
    ],
  )


def checkpoints_csv(models: Mapping[str, kept_checkpoints.Steps]) -> str:
  """mIoU in percent, one row per checkpoint, in order of steps."""
  return csv_text.write(
    ['model', 'step', 'mIoU'],
    [
      [name, step, '' if miou is None else f'{100 * miou:.4f}']
      for name, steps in models.items()
      for step, miou in steps
    ],
  )


def _values(model: scores_lib.Scores) -> np.ndarray:
  return 100 * np.array([*model.iou, *model.means.values()])


def _number(percent: float, decimals: int, unknown: str) -> str:
  return unknown if np.isnan(percent) else f'{percent:.{decimals}f}'
