"""Label Studio, layout 'point': a task per point, a choice among the words.

Shows a crop with a cross on the point. Nothing can be moved, and every point is
timed.
"""

import json
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from pointsup_jax.annotation.exchange.formats import label_studio, words
from pointsup_jax.annotation.exchange.formats.exchanged import Export, Point


def write(export: Export) -> Iterator[tuple[str, str]]:
  """Yields the tasks, and the labelling interface for the project."""
  tasks = [_task(export, point) for point in export.points]
  yield '', json.dumps(tasks, indent=1)
  yield '.config.xml', interface(export.words)


def interface(words: words.Words) -> str:
  """Returns the labelling interface, to be set once per project."""
  view = ET.Element('View')
  ET.SubElement(view, 'Header', value='$question')
  ET.SubElement(view, 'Image', name='image', value='$image', zoom='true')
  choices = ET.SubElement(
    view, 'Choices', name='label', toName='image', choice='single-radio',
    required='true', showInline='true',
  )  # fmt: skip
  for word in words.answers:
    ET.SubElement(choices, 'Choice', value=word)
  ET.indent(view)
  return ET.tostring(view, encoding='unicode')


def crop_path(point: Point) -> str:
  """Returns the path of a point's crop below the folder of crops."""
  return f'{point.request.id}.png'


def _task(export: Export, point: Point) -> dict:
  request = point.request
  task: dict = {
    'data': {
      'image': label_studio.image_url(export.folder, crop_path(point)),
      'question': 'What is under the cross?',
      'point_id': request.id,
      'image_id': request.image,
      'row': request.row,
      'col': request.col,
      'requests': export.digest,
    }
  }
  if point.answer is not None:
    result = {
      'id': label_studio.region_id(request.id),
      'type': 'choices',
      'from_name': 'label',
      'to_name': 'image',
      'value': {'choices': [export.word_of(point)]},
    }
    task['predictions'] = [
      {'model_version': point.answer.annotator, 'result': [result]}
    ]
  return task
