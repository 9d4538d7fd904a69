"""Every change by its own meaning, against NumPy and Pillow."""

import dataclasses
import fractions
import functools

import jax
import jax.numpy as jnp
import numpy as np
import players
import pytest
from PIL import Image

from pointsup_jax.training import augmentation, step
from pointsup_jax.training.augmentation import UNIT, Augmentation
from pointsup_jax.types import Batch, Pair

SIZE = (40, 56)
COUNT = 3
ALL = Augmentation(
  mirror=0.5, scale=(0.75, 1.5), crop=(20, 32), jitter=0.2, seed=9
)


def batch(answers=None, seed=0):
  """Images whose red and green are the row and column of each pixel.

  Labels and depth tell the place too; with `answers`, a share of the pixels
  has an answer and as many a guess.
  """
  rng = np.random.default_rng(seed)
  rows, cols = np.indices((COUNT, *SIZE))[1:]
  labels = ((5 * rows + 3 * cols) % 19).astype(np.uint8)
  images = np.stack([rows, cols, rng.integers(0, 256, rows.shape)], -1)
  answered = None
  if answers is not None:
    random = rng.random(labels.shape)
    answered = random < answers
    labels = np.where(random < 2 * answers, labels, 255).astype(np.uint8)
  return Batch(
    images.astype(np.uint8),
    labels,
    answered=answered,
    depth=(1000 * rows + cols).astype(np.uint16),
    ids=np.array([11, 12, 13], np.uint32),
  )


@functools.cache
def compiled(how):
  return jax.jit(lambda x, at: augmentation.augmented(x, how, at))


def changed(how, at=0, images=None):
  before = batch() if images is None else images
  return jax.tree.map(np.asarray, compiled(how)(before, np.int32(at)))


def places(images):
  """The row and column that each pixel comes from, [B, H, W] each."""
  return images[..., 0].astype(int), images[..., 1].astype(int)


def assert_moved_alike(before, after):
  """What is known of the pixels is still that of their places."""
  rows, cols = places(after.images)
  number = np.arange(COUNT)[:, None, None]
  for name in ('images', 'labels', 'answered', 'depth'):
    expected = getattr(before, name)[number, rows, cols]
    np.testing.assert_array_equal(getattr(after, name), expected)


def test_a_probability_of_1_mirrors_every_image_with_all_that_is_known():
  before = batch(answers=0.2)
  after = changed(Augmentation(mirror=1.0), images=before)
  for name in ('images', 'labels', 'answered', 'depth'):
    expected = getattr(before, name)[:, :, ::-1]
    np.testing.assert_array_equal(getattr(after, name), expected)
  assert after.ids is None


def test_images_are_mirrored_as_often_as_asked():
  turned = []
  for at in range(100):
    _, cols = places(changed(Augmentation(mirror=0.3), at).images)
    assert set(cols[:, 0, 0]) <= {0, SIZE[1] - 1}
    turned.extend(cols[:, 0, 0] > 0)
  assert np.mean(turned) == pytest.approx(0.3, abs=0.08)


def test_a_crop_is_a_window_at_any_place():
  before, how = batch(answers=0.2), Augmentation(crop=(37, 54))
  seen = set()
  for at in range(40):
    after = changed(how, at, before)
    assert after.images.shape == (COUNT, 37, 54, 3)
    assert_moved_alike(before, after)
    rows, cols = places(after.images)
    assert (np.diff(rows, axis=1) == 1).all()
    assert (np.diff(cols, axis=2) == 1).all()
    seen |= set(zip(rows[:, 0, 0], cols[:, 0, 0], strict=True))
  assert seen == {(row, col) for row in range(4) for col in range(3)}


def zoomed(fields, scale, offset, size, least=UNIT // 4):
  pixels = augmentation.Pixels(
    *jax.tree.map(
      lambda x: jnp.asarray(x[0]),
      (fields.images, fields.labels, fields.answered, fields.depth),
    )
  )
  zoom = jax.jit(functools.partial(augmentation.zoom, size=size, least=least))
  found = zoom(pixels, np.int32(scale), np.array(offset, np.int32))
  return jax.tree.map(np.asarray, found)


# Scale in 1 / UNIT, the window's row and column, and its size.
WINDOWS = [
  (UNIT // 2, (0, 0), (20, 28)),
  (UNIT // 2, (3, 5), (16, 20)),
  (777, (1, 2), (24, 37)),
  (1000, (0, 3), (39, 51)),
  (UNIT, (4, 7), (30, 41)),
  (1500, (11, 0), (40, 56)),
  (2 * UNIT, (40, 56), (40, 56)),
]


@pytest.mark.parametrize(('scale', 'offset', 'size'), WINDOWS)
def test_a_scaled_image_is_pillow_s_and_labels_are_those_at_its_centres(
  scale, offset, size
):
  fields, rng = batch(), np.random.default_rng(1)
  images = rng.integers(0, 256, fields.images.shape, np.uint8)
  found = zoomed(fields._replace(images=images), scale, offset, size)
  factor = fractions.Fraction(scale, UNIT)
  top, left = (x / factor for x in offset)
  box = (left, top, left + size[1] / factor, top + size[0] / factor)
  expected = Image.fromarray(images[0]).resize(
    size[::-1], Image.Resampling.BILINEAR, box=tuple(map(float, box))
  )
  np.testing.assert_allclose(
    found.image.astype(int), np.asarray(expected).astype(int), atol=2
  )
  half = fractions.Fraction(1, 2)
  rows, cols = (
    [int((i + half + start) / factor) for i in range(side)]
    for side, start in zip(size, offset, strict=True)
  )
  for name in ('labels', 'depth'):
    known = getattr(fields, name)[0][np.ix_(rows, cols)]
    np.testing.assert_array_equal(getattr(found, name), known)


def landing(scale, offset, size):
  """Where the centre of each pixel lands, {(row, col): (row, col)}."""
  factor, half = fractions.Fraction(scale, UNIT), fractions.Fraction(1, 2)
  found = {}
  for place in np.ndindex(*SIZE):
    new = tuple(
      int((x + half) * factor // 1) - start
      for x, start in zip(place, offset, strict=True)
    )
    if all(0 <= x < side for x, side in zip(new, size, strict=True)):
      found[place] = new
  return found


@pytest.mark.parametrize('share', [0.01, 0.2, 0.5])
@pytest.mark.parametrize(('scale', 'offset', 'size'), WINDOWS)
def test_every_point_of_the_window_is_kept(scale, offset, size, share):
  fields = batch(answers=share, seed=scale)
  labels, answered = fields.labels[0], fields.answered[0]
  found = zoomed(fields, scale, offset, size)
  plain = zoomed(fields._replace(answered=None), scale, offset, size)
  answers, guesses = {}, {}
  for old, new in landing(scale, offset, size).items():
    if answered[old]:
      answers.setdefault(new, set()).add(labels[old])
    elif labels[old] != 255:
      guesses.setdefault(new, set()).add(labels[old])
  for place in np.ndindex(*size):
    label = found.labels[place]
    if place in answers:
      assert found.answered[place]
      assert label == min(answers[place])
    elif scale > UNIT:  # one pixel of a point that has become larger
      assert label == plain.labels[place]
    else:
      assert not found.answered[place]
      assert label == (
        plain.labels[place]
        if plain.labels[place] in guesses.get(place, ())
        else min(guesses.get(place, {255}))
      )
  if scale < UNIT * 0.8 and share < 0.1:  # else the test could not fail
    assert (plain.labels != 255).sum() < (found.labels != 255).sum()


def test_a_known_answer_comes_before_an_unknown_one_and_before_any_guess():
  fields = batch(answers=0.0)
  labels = np.full_like(fields.labels, 255)
  answered = np.zeros_like(fields.answered)
  labels[0, :2, :2] = [[255, 7], [3, 2]]
  answered[0, :2, :2] = [[True, True], [False, False]]
  labels[0, 2, 2], answered[0, 3, 3] = 4, True  # a guess, and 'unknown'
  fields = fields._replace(labels=labels, answered=answered)
  found = zoomed(fields, UNIT // 2, (0, 0), (20, 28))
  assert found.labels[0, 0] == 7
  assert found.answered[0, 0]
  assert found.labels[1, 1] == 255
  assert found.answered[1, 1]
  assert found.answered.sum() == 2


@pytest.mark.parametrize('scale', [(0.75, 0.75), (0.75, 1.5), (1.25, 2.0)])
def test_scales_and_windows_cover_what_is_allowed(scale):
  """The red and green of a pixel are the place of its centre."""
  how = Augmentation(scale=scale, crop=(24, 32))
  factors, ends = [], []
  for at in range(60):
    rows, cols = places(changed(how, at).images)
    assert (np.diff(rows, axis=1) >= 0).all()
    assert (np.diff(cols, axis=2) >= 0).all()
    factors.extend(23 / (rows[:, -1, 0] - rows[:, 0, 0]))
    ends.extend(np.stack([rows[:, 0, 0], rows[:, -1, 0]], 1))
  low, high = np.min(factors), np.max(factors)
  slack = (0.25, 0.35)  # places are whole numbers
  assert scale[0] - slack[0] < low < scale[0] + slack[0]
  assert scale[1] - slack[1] < high < scale[1] + slack[1]
  assert np.min(ends) <= 1
  assert np.max(ends) >= SIZE[0] - 2


def test_jitter_changes_colours_alone_and_by_its_strength():
  before = batch(answers=0.2)
  distances = []
  for strength in (1e-6, 0.1, 0.5):
    after = changed(Augmentation(jitter=strength), images=before)
    np.testing.assert_array_equal(after.labels, before.labels)
    np.testing.assert_array_equal(after.answered, before.answered)
    assert after.images.dtype == np.uint8
    distance = np.abs(after.images.astype(int) - before.images)
    distances.append(distance.mean())
    if strength < 0.1:
      assert distance.max() <= 1
  assert distances[1] > 1
  assert distances[2] > 2 * distances[1]


def test_an_image_changes_alike_whatever_else_is_in_the_batch():
  whole = batch(answers=0.2)
  expected = changed(ALL, 4, whole)
  order = np.array([2, 0])
  part = jax.tree.map(lambda x: x[order], whole)
  jax.tree.map(
    lambda one, many: np.testing.assert_array_equal(one, many[order]),
    changed(ALL, 4, part),
    expected,
  )


def test_steps_seeds_and_images_differ():
  same = batch()
  same = same._replace(images=np.repeat(same.images[:1], COUNT, 0))
  found = [
    image.tobytes()
    for seed in (1, 2)
    for at in range(5)
    for image in changed(dataclasses.replace(ALL, seed=seed), at, same).images
  ]
  assert len(set(found)) == len(found) == 2 * 5 * COUNT


def test_only_the_domains_that_ask_are_changed():
  pair = Pair(batch(), batch())
  off = augmentation.of_pair(pair, {}, np.int32(0))
  assert off.source is pair.source  # so the compiled step is as without
  assert off.target is pair.target
  how = {'target': Augmentation(crop=(20, 32))}
  found = augmentation.of_pair(pair, how, np.int32(0))
  assert found.source is pair.source
  assert found.target.images.shape == (COUNT, 20, 32, 3)


def compiled_step(how):
  learner = dataclasses.replace(players.small_learner(), augmentations=how)
  return jax.jit(
    functools.partial(
      step.train_step,
      learner=learner,
      strategy=players.SOURCE_ONLY,
      supervision=step.Supervision(aux=0.1),
    )
  )


def test_a_step_is_that_on_images_changed_before():
  """Which change it is depends on the state's step, so a run can resume."""
  how = Augmentation(mirror=0.5, crop=(24, 48), seed=9)
  pair = players.random_pair(0)
  named = pair.source._replace(ids=np.array([3, 4], np.uint32))
  changing, plain = compiled_step({'source': how}), compiled_step({})
  losses = []
  for at in (0, 5):
    state = players.fresh_state(players.SOURCE_ONLY)
    state = state.replace(step=jnp.int32(at))
    found = changing(state, pair._replace(source=named))
    expected = plain(state, pair._replace(source=changed(how, at, named)))
    jax.tree.map(
      lambda one, two: np.testing.assert_allclose(one, two, 1e-4, 1e-5),
      found,
      expected,
    )
    losses.append(float(found[1]['source_main']))
  assert abs(losses[0] - losses[1]) > 1e-3
