"""Tables in the paper's form: a row a method, a column a class, then mIoU."""

import csv
import io
from collections.abc import Mapping, Sequence

import numpy as np

from pointsup_jax.report import click_statistics as clicks_lib
from pointsup_jax.report import comparison as scores_lib
from pointsup_jax.report import kept_checkpoints

_LATEX = {
  '\\': r'\textbackslash{}',
  '{': r'\{',
  '}': r'\}',
  '$': r'\$',
  '&': r'\&',
  '#': r'\#',
  '%': r'\%',
  '_': r'\_',
  '^': r'\textasciicircum{}',
  '~': r'\textasciitilde{}',
}


def iou_csv(scores: Sequence[scores_lib.Scores], names: Sequence[str]) -> str:
  """Percent with two decimals; nothing where a class is in no label."""
  rows = [['method', *names, *scores[0].means]]
  for model in scores:
    cells = (_number(x, 2, '') for x in _values(model))
    rows.append([model.column, *cells])
  return _csv(rows)


def iou_latex(scores: Sequence[scores_lib.Scores], names: Sequence[str]) -> str:
  """A tabular for booktabs and graphicx, the best of each column in bold."""
  columns = [*names, *scores[0].means]
  table = np.round([_values(model) for model in scores], 1)
  best = np.max(np.nan_to_num(table, nan=-1.0), axis=0)
  lines = [
    r'% \usepackage{booktabs, graphicx}',
    rf'\begin{{tabular}}{{l{"c" * len(names)}|{"c" * len(scores[0].means)}}}',
    r'\toprule',
    ' & '.join(
      ['Method', *(rf'\rotatebox{{90}}{{{latex(name)}}}' for name in columns)]
    )
    + r' \\',
    r'\midrule',
  ]
  for model, row in zip(scores, table, strict=True):
    cells = [
      rf'\textbf{{{x:.1f}}}'
      if len(scores) > 1 and x == top
      else _number(x, 1, '--')
      for x, top in zip(row, best, strict=True)
    ]
    lines.append(' & '.join([latex(model.column), *cells]) + r' \\')
  return '\n'.join([*lines, r'\bottomrule', r'\end{tabular}', ''])


def latex(text: str) -> str:
  """Any text as LaTeX prints it."""
  return ''.join(_LATEX.get(character, character) for character in text)


def confusion_csv(matrix: np.ndarray, names: Sequence[str]) -> str:
  """Pixels; rows = truth."""
  rows = [['true class', *names]]
  rows += [[name, *row] for name, row in zip(names, matrix, strict=True)]
  return _csv(rows)


def clicks_csv(clicks: clicks_lib.Clicks, names: Sequence[str]) -> str:
  """Points; rows = the model's guess, columns = the answer."""
  rows = [['guessed class', 'asked', *names, 'none of the classes']]
  rows += [
    [name, asked, *answers]
    for name, asked, answers in zip(
      names, clicks.asked, clicks.answers, strict=True
    )
  ]
  return _csv(rows)


def kept_csv(models: Mapping[str, kept_checkpoints.Steps]) -> str:
  """mIoU in percent; a row a checkpoint, in the order of the steps."""
  rows = [['model', 'step', 'mIoU']]
  rows += [
    [name, str(step), '' if miou is None else f'{100 * miou:.4f}']
    for name, steps in models.items()
    for step, miou in steps
  ]
  return _csv(rows)


def _values(model: scores_lib.Scores) -> np.ndarray:
  return 100 * np.array([*model.iou, *model.means.values()])


def _number(percent: float, decimals: int, unknown: str) -> str:
  return unknown if np.isnan(percent) else f'{percent:.{decimals}f}'


def _csv(rows: Sequence[Sequence[object]]) -> str:
  file = io.StringIO()
  csv.writer(file, lineterminator='\n').writerows(rows)
  return file.getvalue()
