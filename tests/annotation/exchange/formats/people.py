"""Simulates people who answer in other tools."""

import csv
import io
import json
from xml.etree import ElementTree as ET

import numpy as np

from pointsup_jax.annotation import queue as queue_lib
from pointsup_jax.annotation import records
from pointsup_jax.annotation.exchange import exporting, importing, verifying
from pointsup_jax.annotation.exchange.formats import by_name
from pointsup_jax.annotation.exchange.formats import words as words_lib
from pointsup_jax.annotation.exchange.formats.exchanged import ImageFile
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.hosts import csv_text as safe_csv

CITYSCAPES = words_lib.Words(classes_lib.CITYSCAPES)
# Readable formats and a file name for each.
FILES = {
  'label_studio': 'a.json',
  'label_studio_points': 'a.json',
  'cvat': 'a.xml',
  'csv': 'a.csv',
}
READABLE = tuple(FILES)
ODD_NAMES = (
  'a', 'aachen/aachen_000000_000019', 'ä ö/ü', '100%', 'a#b', "o'br \"q\"",
  '<i>&amp;', 'x, y; z', '日本',
)  # fmt: skip


def request(image, row, col, patch=0, score=0.5, pseudo_label=3, round=1):
  id_ = records.request_id(image, row, col)
  return records.Request(
    id_, image, row, col, patch, score, pseudo_label, round, model_step=9
  )


def fill(store, size, images, points, seed=0):
  """Requests `points` random pixels of each image."""
  rng = np.random.default_rng(seed)
  for image in images:
    flat = rng.choice(size[0] * size[1], points, replace=False)
    requests = [
      request(image, *divmod(int(x), size[1]), patch=i, pseudo_label=1)
      for i, x in enumerate(flat)
    ]
    store.add_image(image, size, float(rng.random()), requests)


def two_images(store):
  """Requests 20 points of each of two images, 'rich' before 'dull'."""
  for image, score in (('dull', 0.1), ('rich', 0.9)):
    points = [request(image, 0, i) for i in range(20)]
    store.add_image(image, (8, 32), score, points)


def record(queue, who, point, kind='label', label=4, at=None):
  """Answers a point on the page."""
  label = label if kind == 'label' else None
  how = records.How(1.0, 'blind')
  answer = queue_lib.Answer(point, kind, label, 2.0, how, at)
  return queue.record(who, answer)


def hand_out(queue, who, count):
  """The ids of points that the page hands out."""
  return [request.id for request in queue.hand_out(who, count)]


def export(
  store, format_name, size, words=CITYSCAPES, shown=None, which='open'
):
  """The text of an export's main file; `shown` is the images' size."""
  order = exporting.prepare(
    store, exporting.select(store, which), size=size, words=words
  )
  if shown:
    files = {name: ImageFile(f'{name}.png', shown) for name in order.files}
    order = type(order)(**{**vars(order), 'files': files})
  return next(iter(by_name.FORMATS[format_name].write(order)))[1]


def read(text, format_name):
  return by_name.FORMATS[format_name].read(text, format_name)


def import_file(store, path, format_name, size=(64, 128), **options):
  return importing.import_file(
    store, path, format_name, size=size, words=CITYSCAPES, **options
  )


def check(store, text, format_name, size, words=CITYSCAPES):
  return verifying.check(read(text, format_name), store.requests(), size, words)


def answer(text, format_name, said, person='ana'):
  """Answers the points in `said` (id to word); the others stay as they are."""
  return _PEOPLE[format_name](text, said, person)


def _in_label_studio(text, said, person):
  """The editor copies the prediction, with its ids, into an annotation."""
  tasks = json.loads(text)
  for number, task in enumerate(tasks, start=1):
    (prediction,) = task['predictions']
    regions = json.loads(json.dumps(prediction['result']))
    for region in regions:
      id_ = region['id'].replace('%23', '#').replace('%25', '%')
      if id_ in said:
        region['value']['keypointlabels'] = [said[id_]]
      region['origin'] = 'prediction'
    task['id'] = number
    task['annotations'] = [_annotation(regions, person)]
  return json.dumps(tasks)


def _in_label_studio_points(text, said, person):
  tasks = json.loads(text)
  for number, task in enumerate(tasks, start=1):
    task['id'] = number
    id_ = task['data']['point_id']
    if id_ in said:
      choice = {
        'id': f'x{number}', 'type': 'choices', 'from_name': 'label',
        'to_name': 'image', 'value': {'choices': [said[id_]]},
      }  # fmt: skip
      task['annotations'] = [_annotation([choice], person)]
    else:  # skipped, or never opened
      cancelled = _annotation([], person) | {'was_cancelled': True}
      task['annotations'] = [cancelled][: number % 2]
  return json.dumps(tasks)


def _annotation(result, person):
  return {
    'id': 7, 'completed_by': {'id': 1, 'email': person}, 'result': result,
    'was_cancelled': False, 'lead_time': 2.5, 'created_at': '2026-01-01',
  }  # fmt: skip


def _in_cvat(text, said, person):
  root = ET.fromstring(text)
  for shape in root.iter('points'):
    attributes = {x.get('name'): x for x in shape.iter('attribute')}
    id_ = attributes['point_id'].text
    if id_ in said:
      attributes['class'].text = said[id_]
      shape.set('source', 'manual')
  return ET.tostring(root, encoding='unicode')


def _in_csv(text, said, person):
  rows = list(csv.reader(io.StringIO(text)))
  for row in rows[1:]:
    if (point := safe_csv.plain(row[0])) in said:
      row[1:3] = said[point], person
  return csv_text(rows)


def csv_text(rows):
  out = io.StringIO()
  csv.writer(out).writerows(rows)
  return out.getvalue()


_PEOPLE = {
  'label_studio': _in_label_studio,
  'label_studio_points': _in_label_studio_points,
  'cvat': _in_cvat,
  'csv': _in_csv,
}
