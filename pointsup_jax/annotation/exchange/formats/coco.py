"""COCO keypoints, one annotation per labelled point; write-only.

Not read, as tools that write COCO drop points or keep one per class.
"""

import json
from collections.abc import Iterator

from pointsup_jax.annotation.exchange.formats.exchanged import Export, Point
from pointsup_jax.types import IGNORE

_VISIBLE = 2  # labelled and visible


def write(export: Export) -> Iterator[tuple[str, str]]:
  """Yields the points that have a class; others have no category."""
  images = export.by_image()
  numbers = {image: i for i, image in enumerate(images, start=1)}
  labelled = [
    point
    for point in export.points
    if point.answer is not None and point.answer.label not in (None, IGNORE)
  ]
  categories = [
    {'id': i, 'name': name, 'keypoints': ['point'], 'skeleton': []}
    for i, name in enumerate(export.words.classes.names, start=1)
  ]
  content = {
    'images': [
      {
        'id': numbers[image],
        'file_name': export.files[image].path,
        'height': export.files[image].size[0],
        'width': export.files[image].size[1],
      }
      for image in images
    ],
    'annotations': [
      _annotation(export, point, number, numbers[point.request.image])
      for number, point in enumerate(labelled, start=1)
    ],
    'categories': categories,
  }
  yield '', json.dumps(content, indent=1)


def _annotation(export: Export, point: Point, number: int, image: int) -> dict:
  x, y = export.x_y(point)
  assert point.answer is not None
  assert point.answer.label is not None
  return {
    'id': number,
    'image_id': image,
    'category_id': point.answer.label + 1,
    'keypoints': [x, y, _VISIBLE],
    'num_keypoints': 1,
    'bbox': [x - 0.5, y - 0.5, 1, 1],
    'area': 1,
    'iscrowd': 0,
    'attributes': {
      'point_id': point.request.id,
      'annotator': point.answer.annotator,
    },
  }
