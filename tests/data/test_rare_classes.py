"""Which images are drawn for their rare classes."""

import collections

import numpy as np
import pytest
from saying import message
from scipy import special

from pointsup_jax.data import rare_classes

SIZE = (100, 200)
# Of classes 0 to 3 in each of five images; nothing is of class 4.
PIXELS = np.array(
  [
    [9000, 800, 0, 0, 0],
    [9000, 700, 31, 0, 0],
    [9000, 0, 900, 7, 0],
    [9000, 0, 29, 3, 0],
    [0, 0, 0, 0, 0],
  ]
)
# More than 29.8 pixels of 20,000 count, if any image has them.
HAVING = [{0, 1, 2, 3}, {0, 1}, {1, 2}, {2, 3}]


def drawer(seed=5, temperature=0.5):
  return rare_classes.drawer(PIXELS, SIZE, temperature, seed)


@pytest.mark.parametrize('temperature', [0.01, 0.5, 1e-5])
def test_classes_are_drawn_as_published(temperature):
  share = PIXELS.sum(0) / PIXELS.sum()
  expected = special.softmax((1 - share[:4]) / temperature)
  found = rare_classes.probabilities(PIXELS, temperature)
  np.testing.assert_allclose(found, [*expected, 0], rtol=1e-9, atol=1e-300)


def test_images_are_drawn_by_their_classes():
  chances = rare_classes.probabilities(PIXELS, 0.5)
  expected = sum(
    chance * np.isin(np.arange(5), list(images)) / len(images)
    for chance, images in zip(chances[:4], HAVING, strict=True)
  )
  draw, count = drawer(), 5000
  drawn = collections.Counter(draw(place) for place in range(count))
  found = np.array([drawn[image] / count for image in range(5)])
  # Four standard deviations of a share.
  np.testing.assert_allclose(found, expected, atol=4 * 0.5 / count**0.5)
  assert drawn[4] == 0


def test_a_place_is_drawn_by_the_seed_alone():
  one, again, other = drawer(), drawer(), drawer(seed=6)
  places = [*range(30), 2**40 - 1]
  assert [one(x) for x in places] == [again(x) for x in reversed(places)][::-1]
  assert [one(x) for x in places] != [other(x) for x in places]


def test_a_source_without_labels_is_refused():
  nothing = np.zeros((3, 5), int)
  text = message(lambda: rare_classes.drawer(nothing, SIZE, 0.01, 0))
  assert 'rare_class_temperature=0' in text
