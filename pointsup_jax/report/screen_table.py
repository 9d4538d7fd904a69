"""The table of results that the command prints at its end."""

from collections.abc import Mapping, Sequence

import numpy as np

from pointsup_jax.report import kept_checkpoints, table_formats


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
  lines = map(_line, [*class_names, *means], [*values, *means.values()])
  return table_formats.aligned(header, list(lines), footer=len(means))


def steps_table(models: Mapping[str, kept_checkpoints.Steps]) -> str:
  """The mIoU of each model at its checkpoints, in percent.

  Args:
    models: by the name of their column.

  Returns:
    Aligned lines, in the order of `kept_checkpoints.rows`, and a note on what
    the best is worth.
  """
  rows = [
    [name, str(step), '-' if miou is None else f'{100 * miou:.1f}', notes]
    for name, step, miou, notes in kept_checkpoints.rows(models)
  ]
  table = table_formats.aligned(['mIoU in %', 'step', 'mIoU', ''], rows)
  return f'{table}\nbest: chosen by the labels that it is scored on'


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
