"""The result tables printed at the end of a command."""

from collections.abc import Mapping, Sequence

import numpy as np

from pointsup_jax.report import comparison, kept_checkpoints, table_formats


def iou_table(
  columns: Mapping[str, np.ndarray],
  class_names: Sequence[str],
  mean_sets: Mapping[str, Sequence[int]],
) -> str:
  """Formats the IoU per class and stage, in percent, and the means.

  With several stages, the last column is the last stage minus the first, in
  percentage points. Up to six stages fit in 80 columns.

  Args:
    columns: title -> [C] IoU in [0, 1]; NaN is shown as '-' and excluded from
      the means.
    class_names: C names.
    mean_sets: name -> class indices, for extra means below the overall mean.
  """
  values = np.stack([100 * np.asarray(c) for c in columns.values()], axis=1)
  sets = {'mIoU': range(len(class_names))} | {
    f'mIoU ({name})': indices for name, indices in mean_sets.items()
  }
  means = {
    name: comparison.mean_of_known(values[list(chosen)])
    for name, chosen in sets.items()
  }
  header = ['IoU in %', *columns]
  if len(columns) > 1:
    header.append('gain')
  lines = map(_line, [*class_names, *means], [*values, *means.values()])
  return table_formats.aligned(header, list(lines), footer=len(means))


def steps_table(models: Mapping[str, kept_checkpoints.Steps]) -> str:
  """Formats the mIoU in percent of each model's checkpoints, by column title.

  Lines follow `kept_checkpoints.rows`, with a note on how 'best' is chosen.
  """
  rows = [
    [name, str(step), '-' if miou is None else f'{100 * miou:.1f}', notes]
    for name, step, miou, notes in kept_checkpoints.rows(models)
  ]
  table = table_formats.aligned(['mIoU in %', 'step', 'mIoU', ''], rows)
  return f'{table}\nbest: chosen by the labels that it is scored on'


def _line(name: str, row: Sequence[float] | np.ndarray) -> list[str]:
  cells = ['-' if np.isnan(x) else f'{x:.1f}' for x in row]
  if len(row) > 1:
    gain = row[-1] - row[0]
    cells.append('-' if np.isnan(gain) else f'{gain:+z.1f}')
  return [name, *cells]
