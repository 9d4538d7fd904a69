import json

import jax
import numpy as np
import pytest
from PIL import Image

from pointsup_jax.evaluation import confusion

# labelIds of the files -> train ids (RECIPE.md, 'Label maps').
LABEL_IDS = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28]
LABEL_IDS += [31, 32, 33]

count = jax.jit(confusion.confusion_matrix, static_argnums=2)


def by_hand(labels, predictions, num_classes):
  matrix = np.zeros((num_classes, num_classes), np.int64)
  for label, prediction in zip(
    labels.ravel().tolist(), predictions.ravel().tolist(), strict=True
  ):
    if 0 <= label < num_classes:
      matrix[label, prediction] += 1
  return matrix


@pytest.mark.parametrize('num_classes', [2, 5, 19, 200])
@pytest.mark.parametrize('shape', [(1, 1, 1), (2, 9, 13), (3, 32, 5)])
def test_counts_each_pair_of_classes(num_classes, shape):
  rng = np.random.default_rng(num_classes)
  labels = rng.integers(num_classes, size=shape).astype(np.uint8)
  labels[rng.random(shape) < 0.2] = 255
  predictions = rng.integers(num_classes, size=shape).astype(np.int32)
  expected = by_hand(labels, predictions, num_classes)
  np.testing.assert_array_equal(
    count(labels, predictions, num_classes), expected
  )


def test_compiled_equals_not_compiled():
  pair = np.random.default_rng(0).integers(5, size=(2, 2, 9, 13))
  np.testing.assert_array_equal(
    confusion.confusion_matrix(*pair, 5), count(*pair, 5)
  )


@pytest.mark.parametrize('dtype', [np.uint8, np.int16, np.int32])
def test_narrow_types_do_not_wrap_around(dtype):
  labels = np.full((1, 2, 2), 18, dtype)
  found = count(labels, labels, 19)
  assert found[18, 18] == found.sum() == 4


@pytest.mark.parametrize('label', [255, 19, 254, -1])
def test_labels_of_no_class_do_not_count(label):
  labels = np.full((1, 2, 2), label, np.int32)
  assert not count(labels, np.zeros_like(labels), 19).any()


def test_counts_beyond_float32_are_exact():
  labels = np.zeros((1, 2**12, 2**12 + 1), np.uint8)  # 2**24 + 2**12 pixels
  labels[0, 0, 0] = 1
  found = count(labels, np.zeros_like(labels), 2)
  np.testing.assert_array_equal(found, [[labels.size - 1, 0], [1, 0]])


def test_iou_is_the_intersection_over_the_union():
  rng = np.random.default_rng(0)
  labels = rng.integers(5, size=(4, 20, 20))
  predictions = np.where(rng.random(labels.shape) < 0.6, labels, 2)
  matrix = count(labels, predictions, 5)
  expected = [
    np.sum((labels == c) & (predictions == c))
    / np.sum((labels == c) | (predictions == c))
    for c in range(5)
  ]
  found = confusion.iou(matrix)
  assert found.dtype == np.float64
  np.testing.assert_allclose(found, expected, rtol=1e-12)
  assert confusion.mean_iou(matrix) == pytest.approx(np.mean(expected))


@pytest.mark.filterwarnings('error')
def test_iou_is_undefined_only_where_a_class_is_nowhere():
  matrix = np.array([[3, 0, 1, 0], [0, 0, 2, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
  # 1 is never predicted, 2 never occurs, 3 neither: 0, 0 and undefined.
  np.testing.assert_array_equal(confusion.iou(matrix), [0.75, 0, 0, np.nan])
  assert confusion.mean_iou(matrix) == 0.25


def test_the_mean_of_a_subset_keeps_the_confusion_with_other_classes():
  matrix = np.array([[2, 0, 2], [0, 5, 0], [0, 0, 7]])
  assert confusion.mean_iou(matrix, [0, 1]) == pytest.approx((0.5 + 1) / 2)
  assert confusion.mean_iou(matrix, (0,)) == 0.5


@pytest.mark.filterwarnings('error')
def test_the_mean_of_nothing_is_undefined():
  assert np.isnan(confusion.mean_iou(np.zeros((3, 3), int)))
  assert np.isnan(confusion.mean_iou(np.eye(3, dtype=int), []))


def test_large_sums_are_exact_to_the_last_pixel():
  # 500 Cityscapes images have 2**30 pixels; several sets exceed int32.
  matrix = np.array([[2**33 + 1, 1], [0, 2**33]], np.int64)
  assert confusion.iou(matrix)[0] == (2**33 + 1) / (2**33 + 2) < 1


def test_equals_the_official_evaluator(shared):
  folder = shared / 'reference' / 'cityscapes_eval'
  expected = json.loads((folder / 'camvid_as_cityscapes_ids.json').read_text())
  to_train_id = np.full(256, 255, np.uint8)
  to_train_id[LABEL_IDS] = np.arange(19)
  matrix = np.zeros((19, 19), np.int64)
  files = sorted((folder / 'gt').glob('*.png'))
  assert len(files) == expected['n_images']
  for file in files:
    labels = to_train_id[np.asarray(Image.open(file))]
    predicted = np.asarray(Image.open(folder / 'pred' / file.name))
    predictions = to_train_id[predicted]
    # The official rules count a predicted ignored id as a miss, which [19, 19]
    # cannot hold. An argmax predicts none.
    assert (predictions < 19).all()
    matrix += np.asarray(count(labels, predictions, 19))
  every_id = np.array(expected['confMatrix'])
  np.testing.assert_array_equal(matrix, every_id[np.ix_(LABEL_IDS, LABEL_IDS)])
  name_of_id = {i: name for name, i in expected['labels'].items()}
  scores = [expected['classScores'][name_of_id[i]] for i in LABEL_IDS]
  np.testing.assert_allclose(confusion.iou(matrix), scores, rtol=1e-12)
  assert confusion.mean_iou(matrix) == pytest.approx(0.4998193134, abs=1e-9)
  assert confusion.mean_iou(matrix) == pytest.approx(
    expected['averageScoreClasses'], abs=1e-12
  )


def test_equals_the_official_evaluator_on_cityscapes_labels(shared):
  folder = shared / 'reference' / 'cityscapes_eval'
  expected = json.loads((folder / 'cityscapes23_512x256.json').read_text())
  matrix = np.array(expected['confMatrix'])[np.ix_(LABEL_IDS, LABEL_IDS)]
  assert confusion.mean_iou(matrix) == pytest.approx(
    expected['averageScoreClasses'], abs=1e-12
  )
