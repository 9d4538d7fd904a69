"""'CVAT for images 1.1' XML: a shape per point, its class an attribute."""

import json
import math
import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from pointsup_jax import errors
from pointsup_jax.annotation.exchange.formats import words
from pointsup_jax.annotation.exchange.formats.exchanged import (
  Export,
  FileAnswer,
  Point,
)

_LABEL = 'query'
_EXPORT = "export the task as 'CVAT for images 1.1'"
# Entities can expand without bound or read other files; CVAT writes none.
_DECLARATION = re.compile(r'<!\s*(DOCTYPE|ENTITY)', re.IGNORECASE)


def write(export: Export) -> Iterator[tuple[str, str]]:
  """Yields the annotations, and the label for the task's constructor."""
  root = ET.Element('annotations')
  ET.SubElement(root, 'version').text = '1.1'
  images = export.by_image()
  _meta(root, export, len(images))
  for number, (image, points) in enumerate(images.items()):
    file = export.files[image]
    height, width = file.size
    element = ET.SubElement(
      root, 'image', id=str(number), name=file.path, width=str(width),
      height=str(height),
    )  # fmt: skip
    for point in points:
      _shape(element, export, point)
  ET.indent(root, '')
  text = ET.tostring(root, encoding='unicode')
  yield '', f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'
  yield '.labels.json', json.dumps(_constructor(export), indent=1)


def read(text: str, annotator: str) -> list[FileAnswer]:
  """Reads the answers; see `by_name.Format.read`."""
  if _DECLARATION.search(text):
    raise errors.UserError(
      f'declares a DOCTYPE or an entity, which CVAT does not write; {_EXPORT}'
    )
  try:
    root = ET.fromstring(text)
  except (ET.ParseError, ValueError) as error:
    raise errors.UserError(f'is not XML: {error}') from error
  if root.tag != 'annotations' or root.find('track') is not None:
    raise errors.UserError(
      f'is not what CVAT writes for images (<{root.tag}>); {_EXPORT}'
    )
  # CVAT nests neither images nor shapes.
  return [
    _file_answer(shape, image, annotator)
    for image in root.findall('image')
    for shape in image
    if shape.tag == 'points' or _has_point_id(shape)
  ]


def _has_point_id(shape: ET.Element) -> bool:
  return any(x.get('name') == 'point_id' for x in shape.iter('attribute'))


def _attributes(words: words.Words, digest: str) -> dict[str, tuple]:
  """Name -> input type, values and default of the label's attributes."""
  values = [words.unlabelled, *words.answers]
  return {
    'class': ('select', values, words.unlabelled),
    'point_id': ('text', [''], ''),
    'requests': ('text', [digest], digest),
  }


def _meta(root: ET.Element, export: Export, num_images: int) -> None:
  task = ET.SubElement(ET.SubElement(root, 'meta'), 'task')
  ET.SubElement(task, 'name').text = 'points'
  ET.SubElement(task, 'size').text = str(num_images)
  ET.SubElement(task, 'mode').text = 'annotation'
  label = ET.SubElement(ET.SubElement(task, 'labels'), 'label')
  ET.SubElement(label, 'name').text = _LABEL
  ET.SubElement(label, 'type').text = 'points'
  attributes = ET.SubElement(label, 'attributes')
  known = _attributes(export.words, export.digest)
  for name, (kind, values, default) in known.items():
    attribute = ET.SubElement(attributes, 'attribute')
    ET.SubElement(attribute, 'name').text = name
    ET.SubElement(attribute, 'mutable').text = 'False'
    ET.SubElement(attribute, 'input_type').text = kind
    ET.SubElement(attribute, 'default_value').text = default
    ET.SubElement(attribute, 'values').text = '\n'.join(values)


def _constructor(export: Export) -> list[dict]:
  """The label, for the 'Raw' tab of a task's constructor."""
  known = _attributes(export.words, export.digest)
  attributes = [
    {
      'name': name,
      'mutable': False,
      'input_type': kind,
      'default_value': default,
      'values': values,
    }
    for name, (kind, values, default) in known.items()
  ]
  return [{'name': _LABEL, 'type': 'points', 'attributes': attributes}]


def _shape(image: ET.Element, export: Export, point: Point) -> None:
  x, y = export.x_y(point)
  shape = ET.SubElement(
    image, 'points', label=_LABEL, source='auto', occluded='0',
    points=f'{x:.2f},{y:.2f}', z_order='0',
  )  # fmt: skip
  for name, value in (
    ('class', export.word_of(point)),
    ('point_id', point.request.id),
    ('requests', export.digest),
  ):
    ET.SubElement(shape, 'attribute', name=name).text = value


def _file_answer(
  shape: ET.Element, image: ET.Element, annotator: str
) -> FileAnswer:
  attributes = {
    attribute.get('name'): (attribute.text or '').rstrip()
    for attribute in shape.iter('attribute')
  }
  position, fault = None, ''
  try:
    position = _position(shape, image)
  except ValueError:
    fault = f'has the points {shape.get("points")!r}; there must be one'
  if shape.tag != 'points':
    fault = f'is a <{shape.tag}>, no <points>'
  return FileAnswer(
    where=f'image {image.get("name")}',
    point=attributes.get('point_id', ''),
    word=attributes.get('class', ''),
    annotator=annotator,
    position=position,
    digest=attributes.get('requests') or None,
    fault=fault,
  )


def _position(shape: ET.Element, image: ET.Element) -> tuple[float, float]:
  """Row and column as shares; raises ValueError for other than a point."""
  x, y = map(float, shape.get('points', '').split(','))
  width, height = float(image.get('width', '')), float(image.get('height', ''))
  if min(width, height) <= 0 or not math.isfinite(x + y):
    raise ValueError
  return y / height, x / width
