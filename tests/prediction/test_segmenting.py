import jax
import numpy as np
import pytest
import using
from PIL import Image
from scipy import special
from using import enlarged

from pointsup_jax.evaluation import inference as evaluation
from pointsup_jax.models import resnet, upsample
from pointsup_jax.prediction import segmenting

pytestmark = pytest.mark.slow

SIZE = using.SIZE
PLAIN = segmenting.plain(SIZE)


@pytest.fixture(scope='module')
def network(trained):
  """Images [B, H, W, 3] -> small logits of the main head, without our code."""

  @jax.jit
  def forward(images):
    seen = resnet.preprocess(images)
    return trained.segmenter.apply(trained.variables, seen, train=False).main

  return lambda images: np.asarray(forward(images))


@pytest.fixture(scope='module')
def image(images):
  return using.pixels(images / 'a/1.png')


def predict(trained, views, image, size):
  segmenter = using.segmenter_of(trained, views)
  logits = using.small_logits(segmenter, image, views)
  return segmenter.enlarge(logits, size)


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


# One pixel, lines, less than a tile, one tile, one pixel more, several tiles.
@pytest.mark.parametrize(
  'size',
  [(1, 1), (1, 90), (90, 1), (53, 71), (128, 256), (129, 257), (300, 517)],
)
def test_tiles_say_what_evaluation_says(trained, image, size):
  found = predict(trained, PLAIN, image, size)
  seen = segmenting.as_seen(image, PLAIN)[SIZE][None]
  small = evaluation.small_logits(trained.segmenter, trained.variables, seen)
  labels, entropy = segmenting.judge(upsample.bilinear(small, size))
  np.testing.assert_array_equal(found.labels, labels[0])
  np.testing.assert_allclose(found.entropy, entropy[0], atol=1e-6)


def test_images_of_many_sizes_share_two_programs(trained, image, caplog):
  jax.clear_caches()
  segmenter = using.segmenter_of(trained, PLAIN)
  with jax.log_compiles():
    for size in ((20, 30), (90, 70), (300, 200), (77, 900), (128, 256)):
      small = using.small_logits(segmenter, image, PLAIN)
      segmenter.enlarge(small, size)
  compiled = [x for x in caplog.messages if x.startswith('Compiling')]
  assert len(compiled) == 2, compiled
