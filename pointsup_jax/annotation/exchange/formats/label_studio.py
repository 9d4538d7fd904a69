"""Label Studio, layout 'image': a task an image, a keypoint a point."""

import json
import urllib.parse
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from pointsup_jax.annotation.exchange.formats import words
from pointsup_jax.annotation.exchange.formats.exchanged import Export, Point

# How the editor asks the server for files below its document root.
_URL = '/data/local-files/?d='
_WIDTH = 0.3  # of a keypoint, percent of the image's width


def write(export: Export) -> Iterator[tuple[str, str]]:
  """The tasks, and the labelling interface for the project's settings."""
  tasks = [
    _task(export, image, points) for image, points in export.by_image().items()
  ]
  yield '', json.dumps(tasks, indent=1)
  yield '.config.xml', interface(export.words)


def interface(words: words.Words) -> str:
  """The labelling interface, which Label Studio wants once for a project."""
  view = ET.Element('View')
  ET.SubElement(
    view, 'Image', name='image', value='$image', zoom='true',
    zoomControl='true', rotateControl='false',
  )  # fmt: skip
  labels = ET.SubElement(
    view, 'KeyPointLabels', name='point', toName='image', strokeWidth='3',
    snap='pixel', choice='single',
  )  # fmt: skip
  for word, color in words.colors.items():
    ET.SubElement(labels, 'Label', value=word, background=color)
  ET.indent(view)
  return ET.tostring(view, encoding='unicode')


def image_url(folder: str, path: str) -> str:
  """Where Label Studio serves a file.

  Its document root must be the parent of the folder: it refuses to open the
  root itself to a project.
  """
  return _URL + urllib.parse.quote(f'{folder}/{path}')


def region_id(point: str) -> str:
  """A point's id as a region's; the editor cuts ids at the first '#'."""
  return point.replace('%', '%25').replace('#', '%23')


def point_id(region: str) -> str:
  """Undoes `region_id`, and leaves off what the editor appends."""
  id_, _, _ = region.partition('#')
  return id_.replace('%23', '#').replace('%25', '%')


def _task(export: Export, image: str, points: list[Point]) -> dict:
  file = export.files[image]
  regions = [_region(export, point) for point in points]
  return {
    'data': {
      'image': image_url(export.folder, file.path),
      'image_id': image,
      'requests': export.digest,
    },
    'predictions': [
      {
        'model_version': f'step {points[0].request.model_step}',
        'result': regions,
      }
    ],
  }


def _region(export: Export, point: Point) -> dict:
  """A keypoint: it must have a width and no height."""
  request = point.request
  height, width = export.files[request.image].size
  x, y = export.x_y(point, (100, 100))  # percent
  return {
    'id': region_id(request.id),
    'type': 'keypointlabels',
    'from_name': 'point',
    'to_name': 'image',
    'original_width': width,
    'original_height': height,
    'image_rotation': 0,
    'value': {
      'x': x,
      'y': y,
      'width': _WIDTH,
      # Not a class: what nobody touches must not come back as an answer.
      'keypointlabels': [export.word_of(point)],
    },
    'meta': {'text': [f'patch {request.patch}']},
  }
