"""The simulated annotator answers with the label files' labels."""

import numpy as np
import pytest

from pointsup_jax import errors
from pointsup_jax.annotation import oracle
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.types import Example


class Images:
  """Random labels; counts how often each image is loaded."""

  def __init__(self, names, size=(8, 12), fail_at=None):
    rng = np.random.default_rng(0)
    self.names = names
    self.labels = {
      name: rng.choice([*range(19), 255], size).astype(np.uint8)
      for name in names
    }
    self.loaded = []
    self.fail_at = fail_at

  def __getitem__(self, index):
    name = self.names[index]
    if name == self.fail_at:
      raise KeyboardInterrupt
    self.loaded.append(name)
    labels = self.labels[name]
    return Example(name, np.zeros((*labels.shape, 3), np.uint8), labels)


NAMES = ['a', 'b/c', 'd']
POINTS = [(0, 0), (3, 11), (7, 5), (7, 11)]


@pytest.fixture
def store(tmp_path):
  with store_lib.Store(tmp_path / 'annotations.sqlite', 19) as store:
    for i, name in enumerate(NAMES):
      requests = [
        store_lib.Request(
          store_lib.request_id(name, row, col), name, row, col, 0, 0.5, 1, 1, 9
        )
        for row, col in POINTS
      ]
      store.add_image(name, (8, 12), i / 10, requests)
    store.add_image('without requests', (8, 12), 0.9, [])
    yield store


def check_answers(store, images):
  for name in NAMES:
    rows, cols, labels = store.answered(name)
    assert list(zip(rows.tolist(), cols.tolist(), strict=True)) == POINTS
    np.testing.assert_array_equal(labels, images.labels[name][rows, cols])


def test_every_request_gets_the_label_at_its_pixel(store):
  images = Images(['without requests', 'd', 'x', 'a', 'b/c'])
  assert oracle.ground_truth(store, images) == 12
  check_answers(store, images)
  assert store.unanswered() == []


def test_each_image_is_loaded_once_the_most_valuable_first(store):
  images = Images(NAMES)
  store.mark('d-r0-c0', 'skip', 'ana')
  oracle.ground_truth(store, images)
  assert images.loaded == ['d', 'b/c', 'a']


def test_void_is_a_label_and_not_a_doubt(store):
  images = Images(NAMES)
  for labels in images.labels.values():
    labels[:] = 255
  oracle.ground_truth(store, images)
  kinds = store._query('SELECT DISTINCT answer, label FROM answers')
  assert kinds == [('label', 255)]


def test_a_stopped_oracle_goes_on_where_it_was(store):
  with pytest.raises(KeyboardInterrupt):
    oracle.ground_truth(store, Images(NAMES, fail_at='a'))
  assert store.counts().answered == 8
  images = Images(NAMES)
  assert oracle.ground_truth(store, images) == 4
  assert images.loaded == ['a']
  check_answers(store, images)
  assert oracle.ground_truth(store, images) == 0


def test_people_s_answers_are_kept(store):
  images = Images(NAMES)
  store.answer('a-r0-c0', 17, 'ana')
  images.labels['a'][0, 0] = 3
  assert oracle.ground_truth(store, images, annotator='simulated') == 11
  assert store.answered('a').labels[0] == 17
  annotators = store._query('SELECT DISTINCT annotator FROM points ORDER BY 1')
  assert annotators == [('ana',), ('simulated',)]


def test_an_image_that_is_no_longer_there_is_named(store):
  with pytest.raises(errors.UserError, match=r"'b/c'.*not among the 2"):
    oracle.ground_truth(store, Images(['a', 'd']))
