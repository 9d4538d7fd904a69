import itertools

import numpy as np
import pytest

from pointsup_jax.acquisition import targets


def found(pseudo, points, asked, answers, mode, grid=(2, 4)):
  return targets.target_labels(
    pseudo, points=points, asked=asked, answers=answers, mode=mode, grid=grid
  )


def by_hand(pseudo, points, asked, answers, mode, grid):
  given = {(r, c): label for r, c, label in zip(*answers, strict=True)}
  drawn = {tuple(point) for patch in points for point in patch}
  height, width = pseudo.shape
  labels = np.full(pseudo.shape, 255, np.uint8)
  for row, col in itertools.product(range(height), range(width)):
    patch = row * grid[0] // height * grid[1] + col * grid[1] // width
    if patch in asked:
      labels[row, col] = given.get((row, col), 255)
    elif mode == 'dense' or (mode == 'points' and (row, col) in drawn):
      labels[row, col] = pseudo[row, col]
  return labels


def example(size=(16, 32), grid=(2, 4), n=3, num_asked=3, seed=0):
  """Pseudo labels, points, asked patches and about 80% of the answers."""
  rng = np.random.default_rng(seed)
  pseudo = rng.integers(19, size=size).astype(np.uint8)
  height, width = size[0] // grid[0], size[1] // grid[1]
  points = np.array(
    [
      [
        divmod(pixel, width) + np.array([row * height, col * width])
        for pixel in rng.permutation(height * width)[:n].tolist()
      ]
      for row, col in itertools.product(range(grid[0]), range(grid[1]))
    ]
  )
  asked = rng.permutation(len(points))[:num_asked]
  chosen = points[asked].reshape(-1, 2)
  chosen = chosen[rng.random(len(chosen)) < 0.8]  # some have no answer
  labels = rng.choice([*range(19), 255], len(chosen)).astype(np.uint8)
  answers = (chosen[:, 0], chosen[:, 1], labels)
  return pseudo, points.astype(np.int16), set(asked.tolist()), answers


@pytest.mark.parametrize('mode', targets.MODES)
@pytest.mark.parametrize(
  ('size', 'grid', 'n', 'num_asked'),
  [
    ((16, 32), (2, 4), 3, 3),
    ((16, 32), (2, 4), 3, 0),  # self-training
    ((16, 32), (2, 4), 3, 8),  # full
    ((12, 6), (3, 2), 12, 2),  # every pixel drawn
    ((5, 7), (1, 1), 1, 1),
    ((6, 4), (6, 4), 1, 7),  # patches of one pixel
  ],
)
def test_equals_a_loop_over_pixels(mode, size, grid, n, num_asked):
  for seed in range(3):
    image = example(size, grid, n, num_asked, seed)
    labels, answered = found(*image, mode, grid)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, by_hand(*image, mode, grid))
    rows, cols, _ = image[-1]
    given = set(zip(rows.tolist(), cols.tolist(), strict=True))
    assert set(map(tuple, np.argwhere(answered).tolist())) == given


@pytest.mark.parametrize('mode', targets.MODES)
def test_a_void_answer_hides_the_pseudo_label(mode):
  pseudo = np.zeros((4, 4), np.uint8)
  points = np.array([[[0, 0]], [[0, 2]], [[2, 0]], [[3, 3]]])
  void = np.array([3]), np.array([3]), np.array([255], np.uint8)
  labels, _ = found(pseudo, points, {3}, void, mode, (2, 2))
  assert (labels[2:, 2:] == 255).all()


def test_the_pseudo_labels_are_left_as_they_are():
  pseudo, *others = example()
  before = pseudo.copy()
  pseudo.flags.writeable = False  # like np.asarray(PIL image)
  found(pseudo, *others, 'dense')
  np.testing.assert_array_equal(pseudo, before)


def test_an_unknown_mode_is_refused():
  with pytest.raises(ValueError, match="'all' is not one of"):
    found(*example(), 'all')
