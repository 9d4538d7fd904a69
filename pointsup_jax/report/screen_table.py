"""The table of results that the command prints at its end."""

from collections.abc import Mapping, Sequence

import numpy as np

from pointsup_jax.report import kept_checkpoints

_WIDTH = 80
_NAME_WIDTH = 24
_GAP = 2
_NUMBER_WIDTH = 6  # '+100.0'


def iou_table(
  columns: Mapping[str, np.ndarray],
  class_names: Sequence[str],
  mean_sets: Mapping[str, Sequence[int]],
) -> str:
  """IoU of each class after each stage, in percent, then the means.

  Args:
    columns: name of a column -> [C] IoU within [0, 1]; NaN where undefined,
      which is shown as '-' and left out of the means.
    class_names: C names.
    mean_sets: name of a set of classes -> their indices; each set has a line
      with its mean, below the mean of all classes.

  Returns:
    Aligned lines, at most 80 columns for up to six stages. With two stages or
    more the last column is the last stage minus the first, in points.
  """
  values = np.stack([100 * np.asarray(c) for c in columns.values()], axis=1)
  sets = {'mIoU': range(len(class_names))} | {
    f'mIoU ({name})': indices for name, indices in mean_sets.items()
  }
  means = {name: _means(values[list(chosen)]) for name, chosen in sets.items()}
  header = ['IoU in %', *columns]
  if len(columns) > 1:
    header.append('gain')
  lines = [
    header,
    *map(_line, class_names, values),
    *map(_line, means.keys(), means.values()),
  ]
  return _aligned(lines, rule_before=len(class_names) + 1)


def steps_table(models: Mapping[str, kept_checkpoints.Steps]) -> str:
  """The mIoU of each model at its checkpoints, in percent.

  Args:
    models: by the name of their column.

  Returns:
    Aligned lines, in the order of `kept.rows`, and what the best is worth.
  """
  lines = [['mIoU in %', 'step', 'mIoU', '']]
  for name, step, miou, notes in kept_checkpoints.rows(models):
    shown = '-' if miou is None else f'{100 * miou:.1f}'
    lines.append([name, str(step), shown, notes])
  return (
    f'{_aligned(lines, rule_before=len(lines))}\n'
    'best: chosen by the labels that it is scored on'
  )


def _means(values: np.ndarray) -> list[float]:
  """The mean of each column without its NaNs: of [C, S], S floats."""
  columns = [column[~np.isnan(column)] for column in values.T]
  return [float(c.mean()) if c.size else float('nan') for c in columns]


def _line(name: str, row: Sequence[float] | np.ndarray) -> list[str]:
  """A name, its numbers, and the gain where there are several."""
  cells = ['-' if np.isnan(x) else f'{x:.1f}' for x in row]
  if len(row) > 1:
    gain = row[-1] - row[0]
    cells.append('-' if np.isnan(gain) else f'{gain:+z.1f}')
  return [name, *cells]


def _aligned(lines: list[list[str]], rule_before: int) -> str:
  """Pads the cells; a rule below the header and before the means."""
  first = min(max(len(line[0]) for line in lines), _NAME_WIDTH)
  room = (_WIDTH - first) // max(len(lines[0]) - 1, 1) - _GAP
  widths = [
    min(max(len(cell) for cell in column), max(room, _NUMBER_WIDTH))
    for column in list(zip(*lines, strict=True))[1:]
  ]
  text = [
    _fit(name, first).ljust(first)
    + ''.join(
      ' ' * _GAP + _fit(cell, width).rjust(width)
      for cell, width in zip(cells, widths, strict=True)
    )
    for name, *cells in lines
  ]
  rule = '-' * len(text[0])
  ruled = [text[0], rule, *text[1:rule_before], rule, *text[rule_before:]]
  return '\n'.join(line.rstrip() for line in ruled)


def _fit(text: str, width: int) -> str:
  return text if len(text) <= width else text[: width - 1] + '~'
