import numpy as np
import pytest

from pointsup_jax.evaluation import points

RNG = np.random.default_rng(0)


def test_by_hand():
  before, after = points.score(
    images=np.array([4, 4, 4, 9, 9]),
    answers=np.array([0, 0, 0, 0, 5]),
    predictions=np.array([[0, 0, 1, 5, 0], [0, 0, 0, 0, 0]]),
  )
  assert (before.right, after.right) == (2, 4)
  assert before.accuracy.value == pytest.approx(0.4)
  assert before.class_mean.value == pytest.approx((2 / 4 + 0) / 2)
  assert after.class_mean.value == pytest.approx((1 + 0) / 2)
  assert before.gain is None
  # Only the two images alone and both together can be drawn.
  assert after.gain.value == pytest.approx(0.4)
  assert after.gain[1:] == pytest.approx((1 / 3, 1 / 2))


def test_the_interval_of_independent_points_is_that_of_a_share():
  count, share = 400, 0.7
  right = RNG.permutation(np.arange(count) < share * count)
  (score,) = points.score(
    np.arange(count), np.zeros(count, int), np.where(right, 0, 1)[None]
  )
  half = 1.96 * np.sqrt(share * (1 - share) / count)
  assert score.accuracy == pytest.approx(
    (share, share - half, share + half), abs=0.01
  )


def test_points_of_an_image_that_are_alike_count_as_few():
  images = np.repeat(np.arange(40), 10)
  alike = np.repeat(RNG.integers(0, 2, 40), 10)
  apart = RNG.integers(0, 2, 400)
  wide, narrow = (
    points.score(images, np.zeros(400, int), guess[None])[0].accuracy
    for guess in (alike, apart)
  )
  assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_gains_are_paired():
  images, answers = np.arange(100) // 5, RNG.integers(0, 3, 100)
  guess = RNG.integers(0, 3, 100)
  better = guess.copy()
  better[::5] = answers[::5]  # one more point of every image may be right
  same = points.score(images, answers, np.stack([guess, guess]))[1]
  assert same.gain == (0, 0, 0)
  gain = points.score(images, answers, np.stack([guess, better]))[1].gain
  assert 0 < gain.low < gain.value < gain.high <= 0.2


def test_one_image_gives_no_interval_and_the_same_points_the_same_one():
  one = points.score(np.zeros(3, int), np.arange(3), np.arange(3)[None])[0]
  assert one.accuracy.value == one.class_mean.value == 1
  assert np.isnan([*one.accuracy[1:], *one.class_mean[1:]]).all()
  args = np.arange(30) // 3, np.arange(30) % 4, (np.arange(30) % 3)[None]
  assert points.score(*args) == points.score(*args)
