"""Label Studio, layout 'image': a task per image, a keypoint per point."""

import json
import urllib.parse
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from pointsup_jax.annotation.exchange.formats import words
from pointsup_jax.annotation.exchange.formats.exchanged import Export, Point

# Where Label Studio serves local files below its document root.
_URL = '/data/local-files/?d='
_WIDTH = 0.3  # of a keypoint, percent of the image's width


def write(export: Export) -> Iterator[tuple[str, str]]:
  """Yields the tasks, and the labelling interface for the project."""
  tasks = [
    _task(export, image, points) for image, points in export.by_image().items()
  ]
  yield '', json.dumps(tasks, indent=1)
  yield '.config.xml', interface(export.words)


def interface(words: words.Words) -> str:
  """Returns the labelling interface, to be set once per project."""
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
  """Returns the URL of a file in Label Studio.

  The document root must be the parent of `folder`: Label Studio does not let a
  project open the root itself.
  """
  return _URL + urllib.parse.quote(f'{folder}/{path}')


def region_id(point: str) -> str:
  """Encodes a point's id for a region; the editor cuts ids at '#'."""
  return point.replace('%', '%25').replace('#', '%23')


def point_id(region: str) -> str:
  """Inverts `region_id`, dropping what the editor appends."""
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
      # Open points are 'unlabelled', so untouched ones are no answers.
      'keypointlabels': [export.word_of(point)],
    },
    'meta': {
      'text': [
        f'patch {request.patch}',
        *(f'{who}: {text}' for who, text in point.comments),
      ]
    },
  }
