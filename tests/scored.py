import numpy as np


def scores(matrix, **fields):
  """The content of evaluate/<model>-<split>.json for a confusion matrix."""
  matrix = np.asarray(matrix)
  true, all_ = np.diag(matrix), matrix.sum(0) + matrix.sum(1)
  iou = [
    None if total == 0 else hits / (total - hits)
    for hits, total in zip(true.tolist(), all_.tolist(), strict=True)
  ]
  return {
    'network': 'segmenter',
    'step': 2,
    'images': 4,
    'iou': iou,
    'miou': float(np.mean([x for x in iou if x is not None])),
    'miou_subsets': {},
    'confusion': matrix.tolist(),
    'image_miou': {},
    'image_counts': {},
    **fields,
  }
