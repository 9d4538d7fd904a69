"""labelme: a JSON file beside each image; write-only."""

import json
import pathlib
from collections.abc import Iterator

from pointsup_jax.annotation.exchange.formats.exchanged import Export, Point


def write(export: Export) -> Iterator[tuple[str, str]]:
  """Yields a file for each image, at the image's path below the folder."""
  for image, points in export.by_image().items():
    path = pathlib.PurePosixPath(export.files[image].path)
    height, width = export.files[image].size
    content: dict = {
      'version': '5.0.0',
      'flags': {},
      'shapes': [_shape(export, point) for point in points],
      # labelme looks for it beside the JSON.
      'imagePath': path.name,
      'imageData': None,
      'imageHeight': height,
      'imageWidth': width,
    }
    yield str(path.with_suffix('.json')), json.dumps(content, indent=1)


def _shape(export: Export, point: Point) -> dict:
  return {
    'label': export.word_of(point),
    'points': [export.x_y(point)],
    'group_id': None,
    'description': point.request.id,
    'shape_type': 'point',
    'flags': {},
  }
