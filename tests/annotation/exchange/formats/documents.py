"""Exported files whose single entries the tests damage."""

import copy
import csv
import io
import json
from xml.etree import ElementTree as ET

import people


class LabelStudio:
  format_name = 'label_studio'

  def __init__(self, text):
    self.tasks = json.loads(text)

  @property
  def text(self):
    return json.dumps(self.tasks)

  def entries(self):
    return [(regions, x) for regions in self._results() for x in regions]

  def _results(self):
    return [task['annotations'][0]['result'] for task in self.tasks]

  def shuffle(self, rng):
    rng.shuffle(self.tasks)
    for regions in self._results():
      rng.shuffle(regions)

  def rename(self, entry, id_):
    entry['id'] = id_

  def classify(self, entry, word):
    entry['value']['keypointlabels'] = [word]

  def move(self, entry, pixels, width):
    entry['value']['x'] += pixels / width * 100

  def set_digest(self, digest):
    for task in self.tasks:
      task['data']['requests'] = digest


class Cvat:
  format_name = 'cvat'

  def __init__(self, text):
    self.root = ET.fromstring(text)

  @property
  def text(self):
    return ET.tostring(self.root, encoding='unicode')

  def entries(self):
    images = self.root.iter('image')
    return [(image, x) for image in images for x in image.iter('points')]

  def shuffle(self, rng):
    images = list(self.root.iter('image'))
    for image in images:
      image[:] = [image[i] for i in rng.permutation(len(image))]
      self.root.remove(image)
    self.root.extend(images[i] for i in rng.permutation(len(images)))

  def _set(self, entry, name, value):
    (attribute,) = (x for x in entry if x.get('name') == name)
    attribute.text = value

  def rename(self, entry, id_):
    self._set(entry, 'point_id', id_)

  def classify(self, entry, word):
    self._set(entry, 'class', word)

  def move(self, entry, pixels, width):
    x, y = entry.get('points').split(',')
    entry.set('points', f'{float(x) + pixels:.2f},{y}')

  def set_digest(self, digest):
    for _, shape in self.entries():
      self._set(shape, 'requests', digest)


class Csv:
  format_name = 'csv'

  def __init__(self, text):
    self.header, *self.rows = csv.reader(io.StringIO(text))

  @property
  def text(self):
    return people.csv_text([self.header, *self.rows])

  def entries(self):
    return [(self.rows, row) for row in self.rows]

  def shuffle(self, rng):
    self.rows[:] = [self.rows[i] for i in rng.permutation(len(self.rows))]

  def rename(self, entry, id_):
    entry[0] = id_

  def classify(self, entry, word):
    entry[1] = word

  def set_digest(self, digest):
    for row in self.rows:
      row[4] = digest


DOCUMENTS = {x.format_name: x for x in (LabelStudio, Cvat, Csv)}


def remove(entry):
  parent, child = entry
  # Not `remove`, which would delete the first equal element.
  del parent[next(i for i, x in enumerate(parent) if x is child)]


def repeat(entry):
  parent, child = entry
  parent.append(copy.deepcopy(child))
  return parent, parent[-1]
