"""Predictions at any size, in pieces, and averaged over views."""

import numpy as np
import pytest
import using
from PIL import Image
from scipy import special
from using import enlarged

from pointsup_jax.models import deeplab
from pointsup_jax.prediction import segmenting
from pointsup_jax.training import sharding

SIZE = using.SIZE


@pytest.fixture(scope='module')
def network(trained):
  """Images [B, H, W, 3] -> small logits of the main head, without our code."""

  def forward(images):
    return np.asarray(
      trained.segmenter.apply(
        trained.variables, deeplab.preprocess(images), train=False
      ).main
    )

  return forward


@pytest.fixture(scope='module')
def image(images):
  return using.pixels(images / 'a/1.png')


def predict(trained, views, image, size):
  segmenter = segmenting.Segmenter(
    trained.segmenter, trained.variables, views, sharding.split(sharding.mesh())
  )
  seen = segmenting.as_seen(image, views)
  logits = segmenter.small_logits({k: x[None] for k, x in seen.items()})
  return segmenter.enlarge(logits[0], size)


def test_views_are_averaged_as_probabilities(trained, network, image):
  views = segmenting.augmented(SIZE)
  assert views == (
    ((64, 128), False), ((64, 128), True),
    ((80, 160), False), ((80, 160), True),
  )  # fmt: skip
  out = (90, 77)
  total = np.zeros((*out, 19))
  for (height, width), flipped in views:
    seen = np.asarray(
      Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)
    )
    logits = network(seen[None, :, ::-1] if flipped else seen[None])[0]
    p = special.softmax(enlarged(logits, out), axis=-1)
    total += p[:, ::-1] if flipped else p
  mean = total / len(views)
  found = predict(trained, views, image, out)
  entropy = special.entr(mean).sum(-1) / np.log(19)
  np.testing.assert_allclose(found.entropy, entropy, atol=1e-5)
  best = np.sort(mean, axis=-1)
  clear = best[..., -1] - best[..., -2] > 1e-5
  assert clear.mean() > 0.9
  np.testing.assert_array_equal(found.labels[clear], mean.argmax(-1)[clear])


def test_a_mirrored_image_has_the_mirrored_prediction(trained, image):
  views = segmenting.augmented(SIZE)
  one = predict(trained, views, image, (70, 90))
  other = predict(trained, views, image[:, ::-1], (70, 90))
  np.testing.assert_allclose(one.entropy, other.entropy[:, ::-1], atol=1e-5)


@pytest.mark.parametrize('size', [(1, 1), (1, 90), (90, 1), (53, 71)])
def test_pieces_make_no_difference(trained, image, size, monkeypatch):
  views = segmenting.plain(SIZE)
  whole = predict(trained, views, image, size)
  assert whole.labels.shape == whole.entropy.shape == size
  monkeypatch.setattr(segmenting, '_PIXELS_AT_ONCE', 300)
  pieces = predict(trained, views, image, size)
  np.testing.assert_allclose(pieces.entropy, whole.entropy, atol=1e-5)
  assert (pieces.labels != whole.labels).mean() < 1e-3


def test_the_network_is_compiled_once(trained, image):
  views = segmenting.plain(SIZE)
  segmenter = segmenting.Segmenter(
    trained.segmenter, trained.variables, views, sharding.split(sharding.mesh())
  )
  for size in ((20, 30), (90, 70), (64, 128)):
    resized = np.asarray(Image.fromarray(image).resize(size[::-1]))
    segmenter.small_logits(
      {SIZE: segmenting.as_seen(resized, views)[SIZE][None]}
    )
  assert segmenter._small._cache_size() == 1
