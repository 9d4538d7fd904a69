import numpy as np
import people
import pytest

from pointsup_jax import errors
from pointsup_jax.annotation import oracle
from pointsup_jax.types import Example


class Images:
  """Random labels or one label; counts how often each image is loaded."""

  def __init__(self, names, fail_at=None, label=None):
    rng = np.random.default_rng(0)
    choice = [*range(19), 255] if label is None else [label]
    self.names = names
    self.labels = {
      name: rng.choice(choice, (8, 12)).astype(np.uint8) for name in names
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
EXACT = oracle.Annotator(19)
POINTS = [(0, 0), (3, 11), (7, 5), (7, 11)]


@pytest.fixture
def store(store):
  for i, name in enumerate(NAMES):
    requests = [people.request(name, *point) for point in POINTS]
    store.add_image(name, (8, 12), i / 10, requests)
  store.add_image('without requests', (8, 12), 0.9, [])
  return store


def check_answers(store, images):
  for name in NAMES:
    rows, cols, labels = store.answered(name)
    assert list(zip(rows.tolist(), cols.tolist(), strict=True)) == POINTS
    np.testing.assert_array_equal(labels, images.labels[name][rows, cols])


def test_every_request_gets_the_label_at_its_pixel(store):
  images = Images(['without requests', 'd', 'x', 'a', 'b/c'])
  assert oracle.answer(store, images, EXACT) == 12
  check_answers(store, images)
  assert store.unanswered() == []


def test_each_image_is_loaded_once_the_most_valuable_first(store):
  images = Images(NAMES)
  store.mark('d-r0-c0', 'skip', 'ana')
  oracle.answer(store, images, EXACT)
  assert images.loaded == ['d', 'b/c', 'a']


def test_void_is_a_label_and_not_a_doubt(store):
  oracle.answer(store, Images(NAMES, label=255), EXACT)
  kinds = {(said.answer, said.label) for said in store.answers_by_person()}
  assert kinds == {('label', 255)}


def test_a_stopped_oracle_goes_on_where_it_was(store):
  with pytest.raises(KeyboardInterrupt):
    oracle.answer(store, Images(NAMES, fail_at='a'), EXACT)
  assert store.counts().answered == 8
  images = Images(NAMES)
  assert oracle.answer(store, images, EXACT) == 4
  assert images.loaded == ['a']
  check_answers(store, images)
  assert oracle.answer(store, images, EXACT) == 0


def test_people_s_answers_are_kept(store):
  images = Images(NAMES)
  store.answer('a-r0-c0', 17, 'ana')
  images.labels['a'][0, 0] = 3
  annotator = oracle.Annotator(19, name='simulated')
  assert oracle.answer(store, images, annotator) == 11
  assert store.answered('a').labels[0] == 17
  annotators = {entry.annotator for entry in store.current_answers().values()}
  assert annotators == {'ana', 'simulated'}


def test_an_image_that_is_no_longer_there_is_named(store):
  with pytest.raises(errors.UserError, match=r"'b/c'.*not among the 2"):
    oracle.answer(store, Images(['a', 'd']), EXACT)


# An annotator that makes errors.

IDS = [f'image-r{i}-c{i}' for i in range(4000)]


def share_of_errors(annotator, truth):
  said = [annotator.says(name, truth) for name in IDS]
  return sum(x != truth for x in said) / len(said), set(said)


def test_errors_are_as_frequent_as_asked_for_and_of_every_class():
  share, said = share_of_errors(oracle.Annotator(5, error_rate=0.2), 3)
  assert abs(share - 0.2) < 0.025  # four standard deviations
  assert said == {0, 1, 2, 3, 4}
  assert share_of_errors(oracle.Annotator(5), 3) == (0, {3})
  assert share_of_errors(oracle.Annotator(5, error_rate=1.0), 3)[0] == 1


def test_confusable_classes_are_taken_for_each_other():
  annotator = oracle.Annotator(6, 1.0, confusable=[[0, 1], [1, 2], [5]])
  assert share_of_errors(annotator, 0)[1] == {1}
  assert share_of_errors(annotator, 1)[1] == {0, 2}
  assert share_of_errors(annotator, 3)[1] == {0, 1, 2, 4, 5}
  assert share_of_errors(annotator, 5)[1] == {5}  # similar only to itself


def test_void_is_seen_in_spite_of_flaws():
  assert share_of_errors(oracle.Annotator(5, error_rate=1.0), 255) == (0, {255})


def test_errors_belong_to_the_point_and_the_seed():
  def errors_of(seed, names):
    annotator = oracle.Annotator(5, error_rate=0.3, seed=seed)
    return {name: annotator.says(name, 2) for name in names}

  forward = errors_of(0, IDS[:100])
  assert errors_of(0, reversed(IDS[:100])) == forward
  assert errors_of(1, IDS[:100]) != forward


def test_flaws_and_seconds_are_recorded(store):
  annotator = oracle.Annotator(19, 1.0, [[4, 7]], seconds=1.5)
  oracle.answer(store, Images(NAMES, label=4), annotator)
  answers = store.current_answers().values()
  found = {(x.label, x.seconds, x.annotator) for x in answers}
  assert found == {(7, 1.5, 'ground_truth')}
