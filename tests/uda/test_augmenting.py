import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pointsup_jax.types import Batch
from pointsup_jax.uda import augmenting

CLASSES = 6
KEY = jax.random.key(3)


def batch(seed, size, weight=None):
  """Images whose red is the label and whose other colours are the place."""
  rng = np.random.default_rng(seed)
  labels = rng.integers(0, CLASSES, (3, *size), dtype=np.uint8)
  labels[:, 0, :5] = 255
  rows, cols = np.indices(size, dtype=np.uint8)
  images = np.stack(
    [labels, *(np.broadcast_to(x, labels.shape) for x in (rows, cols))], -1
  )
  weights = None if weight is None else np.full(labels.shape, weight, 'f4')
  return Batch(images, labels, weights=weights)


@pytest.mark.parametrize('present', [(), (2,), (0, 5), (1, 2, 3), range(6)])
def test_half_of_the_classes_rounded_up_and_never_ignored_pixels(present):
  labels = np.full((4, 9), 255, np.uint8)
  for i, label in enumerate(present):
    labels[:, i] = label
  taken = set()
  for seed in range(20):
    found = augmenting.half_of_classes(jax.random.key(seed), labels, CLASSES)
    chosen = set(labels[np.asarray(found)].tolist())
    assert len(chosen) == (len(present) + 1) // 2
    np.testing.assert_array_equal(found, np.isin(labels, list(chosen)))
    taken |= chosen
  assert taken == set(present)


@pytest.mark.parametrize('size', [(8, 12), (14, 30), (5, 20), (3, 4)])
def test_the_mix_is_the_source_s_on_whole_classes_and_the_target_s_elsewhere(
  size,
):
  source, target = batch(0, size), batch(1, (8, 12), weight=0.25)
  target = target._replace(images=target.images + np.uint8(100))
  mixed = augmenting.class_mix(KEY, source, target, CLASSES)
  pasted = np.asarray(mixed.weights) == 1.0
  assert 0 < pasted.mean() < 1
  for mine, theirs in zip(mixed, target, strict=True):
    if theirs is not None:
      np.testing.assert_array_equal(mine[~pasted], theirs[~pasted])
  labels, images = np.asarray(mixed.labels), np.asarray(mixed.images)
  assert (images[pasted][:, 0] == labels[pasted]).all()
  for i in range(3):
    rows, cols = np.nonzero(pasted[i])
    # One window of the source: all pixels are moved alike.
    moved = images[i][rows, cols, 1:] - np.stack([rows, cols], 1)
    assert (moved == moved[0]).all()
    of_source = images[i][rows, cols, 1:]
    assert (of_source < size).all()
    assert (
      source.labels[i][of_source[:, 0], of_source[:, 1]]
      == labels[i][rows, cols]
    ).all()
  classes = [set(labels[i][pasted[i]].tolist()) for i in range(3)]
  assert len(set(map(frozenset, classes))) > 1  # each image has its own


def test_colours_without_a_change_stay():
  image = np.float32(np.random.default_rng(0).integers(0, 256, (7, 9, 3)))
  same = augmenting._colours(jnp.asarray(image), jnp.zeros(4))
  np.testing.assert_allclose(same, image, atol=0.1)


@pytest.mark.parametrize(
  ('amounts', 'expected'),
  [
    ((0.2, 0, 0, 0), (120, 60, 60)),
    ((0, 0.5, 0, 0), (100, 50, 50)),  # the mean itself does not move
    ((0, 0, -1, 0), (64.95,) * 3),  # grey of the same luma
    ((0, 0, 0, 1 / 3), None),
  ],
)
def test_each_colour_change_by_its_meaning(amounts, expected):
  image = jnp.full((2, 2, 3), jnp.array((100.0, 50.0, 50.0)))
  found = augmenting._colours(image, jnp.array(amounts))[0, 0]
  if expected is None:  # a third of a turn: another colour of the same luma
    luma = jnp.array(augmenting._YIQ[0])
    assert np.argmax(found) != 0
    np.testing.assert_allclose(found @ luma, 64.95, atol=0.2)
  elif amounts[1]:
    np.testing.assert_allclose(found - found[1], (75, 0, 0), atol=0.1)
  else:
    np.testing.assert_allclose(found, expected, atol=0.1)


def test_the_blur_is_a_gaussian_s():
  point = jnp.zeros((21, 21, 3)).at[10, 10].set(255.0)
  blurred = np.asarray(augmenting._blurred(point, 1.0))[..., 0] / 255
  rows = np.arange(21) - 10
  assert blurred.sum() == pytest.approx(1, abs=1e-5)
  assert (blurred.sum(1) @ rows**2) == pytest.approx(1.0, abs=0.01)
  flat = jnp.full((6, 5, 3), 77.0)
  np.testing.assert_allclose(augmenting._blurred(flat, 1.15), 77, rtol=1e-5)


def test_jitter_depends_on_the_key_alone_and_differs_by_image():
  images = np.random.default_rng(0).integers(0, 256, (1, 9, 8, 3), np.uint8)
  images = np.repeat(images, 12, 0)
  one, again = (augmenting.jitter(KEY, images) for _ in range(2))
  np.testing.assert_array_equal(one, again)
  assert one.dtype == np.uint8
  assert len({np.asarray(x).tobytes() for x in one}) > 6
  near = np.abs(np.int32(one) - np.int32(images)).mean()
  assert 1 < near < 60


@pytest.mark.parametrize('share', [0.0, 0.7, 1.0])
def test_whole_blocks_are_hidden(share):
  images = np.random.default_rng(0).integers(0, 256, (4, 37, 50, 3), np.uint8)
  found = np.asarray(augmenting.hide_blocks(KEY, images, 8, share))
  hidden = (found != images).any(-1)
  blocks = hidden[:, :32, :48].reshape(4, 4, 8, 6, 8).mean((2, 4))
  assert ((blocks < 0.01) | (blocks > 0.9)).all()
  assert (blocks > 0.9).mean() == pytest.approx(share, abs=0.12)
  for image, mask, old in zip(found, hidden, images, strict=True):
    if mask.any():
      assert (image[mask] == old.mean((0, 1)).astype(np.uint8)).all()
