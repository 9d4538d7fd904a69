import numpy as np

from pointsup_jax.data import transforms


def random_pixels(*shape):
  return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_nothing_is_done_where_the_size_matches():
  image, labels = random_pixels(6, 8, 3), random_pixels(6, 8)
  assert transforms.resize_image(image, (6, 8)) is image
  assert transforms.resize_labels(labels, (6, 8)) is labels


def test_labels_are_those_at_the_nearest_pixel_centre():
  labels = random_pixels(7, 10)
  rows = np.floor((np.arange(5) + 0.5) * 7 / 5).astype(int)
  cols = np.floor((np.arange(16) + 0.5) * 10 / 16).astype(int)
  found = transforms.resize_labels(labels, (5, 16))
  np.testing.assert_array_equal(found, labels[np.ix_(rows, cols)])


def cubic(x, a=-0.5):
  x = np.abs(x)
  near = (a + 2) * x**3 - (a + 3) * x**2 + 1
  far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
  return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def bicubic_weights(before, after):
  """[after, before]; the kernel widens when shrinking (antialiasing)."""
  scale = before / after
  support = max(scale, 1.0)
  centres = (np.arange(after)[:, None] + 0.5) * scale
  weights = cubic((np.arange(before) + 0.5 - centres) / support)
  return weights / weights.sum(1, keepdims=True)


def test_images_match_an_antialiased_bicubic_reference():
  image = random_pixels(24, 20, 3)
  for size in ((12, 8), (30, 33)):
    expected = np.einsum(
      'ij,jkc,lk->ilc',
      bicubic_weights(24, size[0]),
      image.astype(float),
      bicubic_weights(20, size[1]),
    ).clip(0, 255)
    got = transforms.resize_image(image, size)
    assert got.dtype == np.uint8
    assert got.shape == (*size, 3)
    # Pillow rounds and clips after each of its two passes.
    difference = np.abs(got - expected)
    assert np.median(difference) < 0.5
    assert np.quantile(difference, 0.9) < 2
