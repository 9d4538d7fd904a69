import numpy as np
import pytest
from scipy import ndimage

from pointsup_jax.acquisition import segments


def by_hand(pseudo, parts, answers):
  labels = np.full(pseudo.shape, 255, np.uint8)
  for place in np.ndindex(pseudo.shape):
    said = {
      label
      for row, col, label in zip(*answers, strict=True)
      if parts[row, col] == parts[place] and pseudo[row, col] == pseudo[place]
    }
    if len(said) == 1:
      (labels[place],) = said
  return labels


@pytest.mark.parametrize('count', [0, 1, 30])
def test_answers_go_for_the_like_pixels_of_their_segments(count):
  for seed in range(3):
    rng = np.random.default_rng(seed)
    pseudo = rng.integers(3, size=(12, 20)).astype(np.uint8)
    parts = rng.integers(6, size=(3, 5)).repeat(4, axis=0).repeat(4, axis=1)
    places = rng.permutation(pseudo.size)[:count]
    rows, cols = np.divmod(places, 20)
    labels = rng.choice([0, 1, 2, 18, 255], count).astype(np.uint8)
    answers = rows, cols, labels
    found = segments.spread(pseudo, parts, answers)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, by_hand(pseudo, parts, answers))


def test_the_model_tells_what_an_answer_is_about_not_what_it_is():
  """A wrong guess is corrected around the answered pixel, too."""
  pseudo = np.array([[4, 4, 7, 4]], np.uint8)
  answers = np.array([0]), np.array([0]), np.array([9], np.uint8)
  found = segments.spread(pseudo, np.zeros((1, 4), int), answers)
  np.testing.assert_array_equal(found, [[9, 9, 255, 9]])


def test_segments_are_connected_and_do_not_cross_strong_edges():
  image = np.zeros((40, 60, 3), np.uint8)
  image[:, 33:] = 255
  found = segments.of_image(image, 24)
  assert found.shape == (40, 60)
  assert 12 <= len(np.unique(found)) <= 36
  assert not set(found[:, :33].ravel()) & set(found[:, 33:].ravel())
  for part in np.unique(found):
    assert ndimage.label(found == part)[1] == 1
  np.testing.assert_array_equal(found, segments.of_image(image, 24))
