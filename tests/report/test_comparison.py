"""What the scores say: which classes are lost to which, and where."""

import numpy as np
import pytest

from pointsup_jax.report import comparison

# road, car, sky (in no label but predicted), train (nowhere)
MATRIX = np.array([[90, 8, 2, 0], [30, 70, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])


def known(matrix):
  """As evaluation writes it."""
  matrix = np.asarray(matrix)
  true, all_ = np.diag(matrix), matrix.sum(0) + matrix.sum(1)
  iou = [
    None if total == 0 else hits / (total - hits)
    for hits, total in zip(true.tolist(), all_.tolist(), strict=True)
  ]
  return {
    'step': 7,
    'images': 3,
    'iou': iou,
    'miou': float(np.mean([x for x in iou if x is not None])),
    'miou_subsets': {'2': None},
    'confusion': matrix.tolist(),
    'image_miou': {'a': 0.5, 'b': None, 'c': 0.25},
  }


def test_a_class_that_is_in_no_label_has_no_iou_but_counts_in_the_mean():
  model = comparison.from_json('points', known(MATRIX))
  assert np.isnan(model.iou[[2, 3]]).all()
  np.testing.assert_allclose(model.iou[:2], [90 / 130, 70 / 108])
  assert model.means['mIoU'] == pytest.approx((90 / 130 + 70 / 108 + 0) / 3)
  assert np.isnan(model.means['mIoU (2)'])
  assert comparison.false_alarms(MATRIX) == [2]
  assert model.image_miou == {'a': 0.5, 'c': 0.25}


def test_the_worst_confusions_are_those_that_most_of_a_class_is_lost_to():
  assert comparison.worst_confusions(MATRIX) == [
    comparison.Confusion(1, 0, 0.3, 30),
    comparison.Confusion(0, 1, 0.08, 8),
    comparison.Confusion(0, 2, 0.02, 2),
  ]
  assert len(comparison.worst_confusions(MATRIX, 1)) == 1
  assert comparison.worst_confusions(np.diag([5, 3])) == []


def test_a_rare_class_that_is_lost_comes_before_many_pixels():
  matrix = np.array([[900, 100], [3, 1]])
  assert [x.truth for x in comparison.worst_confusions(matrix)] == [1, 0]


def test_equal_shares_go_by_their_pixels():
  matrix = np.array([[1, 1, 0], [0, 10, 10], [0, 0, 1]])
  assert [x.truth for x in comparison.worst_confusions(matrix)] == [1, 0]


def test_rows_are_shares_of_the_true_class():
  shares = comparison.shares(MATRIX)
  np.testing.assert_allclose(shares[:2].sum(axis=1), 1)
  assert np.isnan(shares[2:]).all()


def test_the_best_the_median_and_the_worst_image():
  of_image = {'a': 0.2, 'b': 0.9, 'c': 0.5, 'd': 0.6}
  assert comparison.extremes(of_image) == {
    'best': 'b',
    'median': 'c',
    'worst': 'a',
  }
  assert comparison.extremes({'a': 0.1}) == {'best': 'a'}
  assert comparison.extremes({'a': 0.1, 'b': 0.1}) == {
    'best': 'b',
    'median': 'a',
  }
  assert comparison.extremes({}) == {}


def test_differences_are_to_the_model_before():
  models = [
    comparison.from_json(name, known(matrix))
    for name, matrix in (('UDA', np.diag([1, 0, 0, 0])), ('points', MATRIX))
  ]
  first, second = comparison.differences(models)
  assert first is None
  assert second[0] == pytest.approx(90 / 130 - 1)
  assert np.isnan(second[1:]).all()  # there was no car to be found before
