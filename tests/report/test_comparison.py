import numpy as np
import pytest
import scored

from pointsup_jax.report import comparison

# road, car, sky (only predicted), train (absent)
MATRIX = np.array([[90, 8, 2, 0], [30, 70, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])


def model(name, matrix):
  images = {'a': 0.5, 'b': None, 'c': 0.25}
  known = scored.scores(matrix, miou_subsets={'2': None}, image_miou=images)
  return comparison.from_json(name, '', known)


def test_a_class_that_is_in_no_label_has_no_iou_but_counts_in_the_mean():
  points = model('points', MATRIX)
  assert np.isnan(points.iou[[2, 3]]).all()
  np.testing.assert_allclose(points.iou[:2], [90 / 130, 70 / 108])
  assert points.means['mIoU'] == pytest.approx((90 / 130 + 70 / 108 + 0) / 3)
  assert np.isnan(points.means['mIoU (2)'])
  assert comparison.false_alarms(MATRIX) == [2]
  assert points.image_miou == {'a': 0.5, 'c': 0.25}


def test_the_worst_confusions_are_those_that_most_of_a_class_is_lost_to():
  assert comparison.worst_confusions(MATRIX) == [
    comparison.Confusion(1, 0, 0.3, 30),
    comparison.Confusion(0, 1, 0.08, 8),
    comparison.Confusion(0, 2, 0.02, 2),
  ]
  assert len(comparison.worst_confusions(MATRIX, 1)) == 1
  assert comparison.worst_confusions(np.diag([5, 3])) == []


@pytest.mark.parametrize(
  'matrix',
  [[[900, 100], [3, 1]], [[1, 1, 0], [0, 10, 10], [0, 0, 1]]],
  ids=['a rare class before many pixels', 'equal shares by their pixels'],
)
def test_what_is_lost_most_comes_first(matrix):
  found = comparison.worst_confusions(np.array(matrix))
  assert [x.truth for x in found] == [1, 0]


def test_rows_are_shares_of_the_true_class():
  shares = comparison.shares(MATRIX)
  np.testing.assert_allclose(shares[:2].sum(axis=1), 1)
  assert np.isnan(shares[2:]).all()


def test_the_best_the_median_and_the_worst_image():
  for of_image, expected in (
    ({'a': 0.2, 'b': 0.9, 'c': 0.5, 'd': 0.6}, ['b', 'c', 'a']),
    ({'a': 0.1}, ['a']),
    ({'a': 0.1, 'b': 0.1}, ['b', 'a']),
    ({}, []),
  ):
    named = dict(zip(('best', 'median', 'worst'), expected, strict=False))
    assert comparison.extremes(of_image) == named


def test_differences_are_to_the_model_before():
  models = model('UDA', np.diag([1, 0, 0, 0])), model('points', MATRIX)
  first, second = comparison.differences(models)
  assert first is None
  assert second[0] == pytest.approx(90 / 130 - 1)
  assert np.isnan(second[1:]).all()  # the first model's are undefined
