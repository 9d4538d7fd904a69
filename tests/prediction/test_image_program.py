"""The exported program's own resizing, against Pillow and NumPy."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import PIL
import pytest
from PIL import Image

from pointsup_jax.data.streets import scenes
from pointsup_jax.models import upsample
from pointsup_jax.prediction import image_program

NEW_PILLOW = pytest.mark.skipif(
  int(PIL.__version__.split('.')[0]) < 13,
  reason='Pillow begins with the height from version 13 on',
)


@pytest.mark.parametrize(
  ('old', 'new'),
  [
    ((270, 360), (96, 192)), ((64, 128), (96, 192)), ((96, 192), (96, 192)),
    pytest.param((700, 90), (96, 192), marks=NEW_PILLOW),
    ((1, 1), (64, 128)), ((5, 3), (64, 128)),
  ],
)  # fmt: skip
def test_images_are_resized_as_pillow_does(old, new):
  image, _ = scenes.render('camera', 'test', 0, 0, (800, 400))
  image = np.asarray(Image.fromarray(image).resize(old[::-1]))
  expected = Image.fromarray(image).resize(new[::-1], Image.Resampling.BICUBIC)
  expected = np.asarray(expected)
  resize = jax.jit(functools.partial(image_program.resize, size=new))
  difference = np.abs(np.asarray(resize(image[None])[0]).astype(int) - expected)
  assert difference.max() <= 1
  assert (difference > 0).mean() < 1e-3


@pytest.mark.parametrize(
  ('old', 'new'), [(25, 192), (129, 8000), (13, 7), (13, 1), (2, 2), (1, 5)]
)
def test_logits_are_enlarged_as_in_evaluation(old, new):
  found = jax.jit(lambda: upsample.weights(old, new, jnp))()
  np.testing.assert_allclose(found, upsample.weights(old, new), atol=2e-7)
