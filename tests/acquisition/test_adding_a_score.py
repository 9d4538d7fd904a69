import functools
import pathlib
import re

import jax
import numpy as np
import pytest

from pointsup_jax.acquisition import pixels, scores
from pointsup_jax.models import deeplab, resnet, upsample
from pointsup_jax.stages import acquire

PAGE = pathlib.Path(__file__).parents[2] / 'docs' / 'ADDING_A_SCORE.md'
SIZE = (33, 49)


@pytest.fixture
def added(monkeypatch):
  """The score from docs/ADDING_A_SCORE.md, added as it says."""
  code, line = re.findall(r'```python\n(.*?)```', PAGE.read_text(), re.S)
  assert len(code.splitlines()) < 30
  made = {}
  exec(code, made)
  monkeypatch.setattr(scores, 'SCORES', dict(scores.SCORES))
  exec(line, made | {'SCORES': scores.SCORES})
  return 'novelty'


@pytest.mark.parametrize('place', ['patches', *pixels.PLACES])
def test_the_page_s_score_is_asked_by_in_every_place(added, place):
  network = deeplab.DeepLabV2(5, (1, 1, 1, 1), 8, 'global')
  variables = jax.jit(functools.partial(deeplab.init, network))(
    jax.random.key(0)
  )
  rng = np.random.default_rng(0)
  images = rng.integers(0, 256, (2, *SIZE, 3), np.uint8)
  in_patches = place == 'patches'
  find = jax.jit(
    functools.partial(
      acquire.find_questions,
      segmenter=network,
      seed=0,
      strategy='active',
      score=added,
      place=place,
      rows=3,
      cols=7,
      k=3,
      n=1,
    )
  )
  nothing = np.zeros((2, 21), bool) if in_patches else np.zeros((2, 0, 2), int)
  found = find(variables, None, images, np.arange(2, dtype=np.uint32), nothing)
  expected = by_hand(network, variables, images)
  patches = expected.reshape(2, 3, 11, 7, 7).mean((2, 4)).reshape(2, 21)
  np.testing.assert_allclose(found.scores, patches, atol=1e-5)
  assert found.points.shape == (2, 3, 2)
  for image in range(2):
    row, col = found.points[image].T
    worth = expected[image][row, col]
    if in_patches:
      worth = -np.sort(-patches[image])[:3]
    np.testing.assert_allclose(found.worth[image], worth, atol=1e-5)
    if place == 'pixels':
      assert worth[0] == pytest.approx(expected[image].max(), abs=1e-5)


def by_hand(network, variables, images):
  """Entropy times unlikeness at the images' size, in float64."""
  outputs, sown = jax.jit(
    lambda images: network.apply(
      variables, resnet.preprocess(images), train=False, mutable=['taps']
    )
  )(images)
  logits = np.asarray(outputs.main, np.float64)
  features = np.asarray(sown['taps']['conv5'], np.float64)
  mean = features.mean((1, 2), keepdims=True)
  cosine = (features * mean).sum(-1) / np.sqrt(
    (features**2).sum(-1) * (mean**2).sum(-1)
  )
  rows, cols = (
    upsample.weights(old, new)
    for old, new in zip(logits.shape[1:3], SIZE, strict=True)
  )
  unlike = np.einsum('Hh,bhw,Ww->bHW', rows, (1 - cosine) / 2, cols)
  p = np.exp(np.einsum('Hh,bhwc,Ww->bHWc', rows, logits, cols))
  p /= p.sum(-1, keepdims=True)
  return -(p * np.log(p)).sum(-1) / np.log(5) * unlike
