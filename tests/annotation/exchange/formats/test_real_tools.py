"""Exports read by label-studio-sdk, and by datumaro in place of CVAT.

POINTSUP_LABEL_STUDIO_PYTHON and POINTSUP_DATUMARO_PYTHON name the Pythons of
their environments (.ci/run makes both); without them the tests are skipped.
"""

import json
import os
import subprocess

import numpy as np
import people
import pytest
from PIL import Image

from pointsup_jax.annotation.exchange import exporting

LABEL_STUDIO = os.environ.get('POINTSUP_LABEL_STUDIO_PYTHON')
DATUMARO = os.environ.get('POINTSUP_DATUMARO_PYTHON')
SIZE, SHOWN = (385, 1023), (769, 1537)
NAMES = ['a', 'b/c', 'ä ö', '100% <&>']

VALIDATE = """
import json, sys
from label_studio_sdk.label_interface import LabelInterface
tasks, config = sys.argv[1:]
interface = LabelInterface(open(config, encoding='utf-8').read())
interface.validate()
found = [
  interface.validate_prediction(prediction, return_errors=True)
  for task in json.load(open(tasks, encoding='utf-8'))
  for prediction in task.get('predictions', [])
]
print(json.dumps(found))
"""
READ = """
import json, sys
import datumaro
dataset = datumaro.Dataset.import_from(sys.argv[1], sys.argv[2])
names = dataset.categories()[datumaro.AnnotationType.label]
print(json.dumps([
  [item.id, list(x.points), names[x.label].name, x.attributes]
  for item in dataset for x in item.annotations
  if x.type == datumaro.AnnotationType.points
]))
"""


def outside(python, script, *args):
  done = subprocess.run(
    [python, '-c', script, *map(str, args)],
    env=os.environ | {'PYTHONUTF8': '1'}, capture_output=True, text=True,
    check=False,
  )  # fmt: skip
  assert done.returncode == 0, done.stderr
  return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def images(tmp_path):
  for name in NAMES:
    path = tmp_path / 'data' / 'images' / f'{name}.png'
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new('RGB', SHOWN[::-1]).save(path)
  return tmp_path / 'data' / 'images'


@pytest.fixture
def order(store, images):
  people.fill(store, SIZE, NAMES, 25)
  for i, request in enumerate(store.requests()):
    if i % 3 == 0:
      store.answer(request.id, i % 19, 'ana')
    elif i % 7 == 0:
      store.mark(request.id, 'unsure', 'ana')
  points = exporting.select(store, 'all')
  return exporting.prepare(
    store, points, size=SIZE, words=people.CITYSCAPES, images=images
  )


def place(request):
  """The point's (x, y) in the image at its shown size."""
  return [
    (request.col + 0.5) * SHOWN[1] / SIZE[1],
    (request.row + 0.5) * SHOWN[0] / SIZE[0],
  ]


needs_label_studio = pytest.mark.skipif(
  not LABEL_STUDIO, reason='POINTSUP_LABEL_STUDIO_PYTHON names no environment'
)
needs_datumaro = pytest.mark.skipif(
  not DATUMARO, reason='POINTSUP_DATUMARO_PYTHON names no environment'
)


@needs_label_studio
@pytest.mark.parametrize('format_name', ['label_studio', 'label_studio_points'])
def test_label_studio_finds_no_fault(order, format_name, tmp_path):
  files = exporting.write(order, format_name, tmp_path / 'tasks.json')
  found = outside(LABEL_STUDIO, VALIDATE, *files)
  assert len(found) >= len(NAMES)
  assert found == [[]] * len(found)


@needs_label_studio
def test_label_studio_would_find_a_fault(order, tmp_path):
  path, config = exporting.write(order, 'label_studio', tmp_path / 'tasks.json')
  path.write_text(path.read_text().replace('"unsure"', '"no such class"'))
  assert any(outside(LABEL_STUDIO, VALIDATE, path, config))


def read(images, kind, points, atol):
  found = outside(DATUMARO, READ, images.parent, kind)
  by_id = {x[3]['point_id']: x for x in found}
  assert len(found) == len(by_id) == len(points)
  for point in points:
    image, position, label, attributes = by_id[point.request.id]
    assert image == point.request.image
    np.testing.assert_allclose(position, place(point.request), atol=atol)
    yield point, label, attributes


@needs_datumaro
def test_datumaro_reads_the_xml_as_cvat_writes_it(order, images):
  exporting.write(order, 'cvat', images.parent / 'points.xml')
  found = read(images, 'cvat', order.points, atol=0.00501)
  for point, label, attributes in found:
    assert label == 'query'
    assert attributes['class'] == order.word_of(point)
    assert attributes['requests'] == order.digest


@needs_datumaro
def test_datumaro_reads_the_coco_keypoints(order, images):
  path = images.parent / 'annotations' / 'person_keypoints_all.json'
  exporting.write(order, 'coco', path)
  answered = [point for point in order.points if point.answer is not None]
  labelled = [x for x in answered if x.answer.label is not None]
  found = read(images, 'coco_person_keypoints', labelled, atol=0.01)
  for point, label, _ in found:
    assert label == order.word_of(point)
