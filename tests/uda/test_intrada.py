import pytest

from pointsup_jax.uda import intrada


def test_the_surest_images_are_easy_and_lambda_is_rounded_down():
  hardness = {'a': 0.3, 'b': 0.1, 'c': 0.5, 'd': 0.2, 'e': 0.4}
  easy, hard = intrada.easy_and_hard(hardness, 0.67)
  assert easy == ['b', 'd', 'a']  # int(5 * 0.67) = 3
  assert hard == ['e', 'c']


def test_a_share_in_decimals_is_not_a_float_below_it():
  assert intrada.easy_count(100, 0.29) == 29
  assert intrada.easy_count(2975, 0.67) == 1993
  assert intrada.easy_count(10, 0.19) == 1


def test_ties_go_by_name_and_not_by_order():
  one, two = {'b': 0.1, 'a': 0.1, 'c': 0.1}, {'c': 0.1, 'a': 0.1, 'b': 0.1}
  assert intrada.easy_and_hard(one, 0.5) == intrada.easy_and_hard(two, 0.5)
  assert intrada.easy_and_hard(one, 0.5)[0] == ['a']


@pytest.mark.parametrize(
  ('predicted', 'factor'), [(0, 1.5), (11, 0.5), (5, 6 / 11 + 0.5)]
)
def test_rare_classes_make_an_image_easier(predicted, factor):
  assert intrada.hardness(0.4, predicted, 11) == pytest.approx(0.4 * factor)


def test_without_rare_classes_the_entropy_counts():
  assert intrada.hardness(0.4, 0, 0) == 0.4
