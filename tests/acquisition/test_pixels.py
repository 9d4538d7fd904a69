"""Single pixels, against programs of their own in float64."""

import collections
import functools

import jax
import numpy as np
import pytest
import saying

from pointsup_jax import errors
from pointsup_jax.acquisition import pixels, questions, scores, selection

IDS = selection.image_ids(['a', 'b', 'c'])
NOTHING = np.zeros((3, 0, 2), np.int32)


@functools.partial(jax.jit, static_argnames=('place', 'score', 'k', 'strategy'))
def ask(
  logits, asked, ids=IDS, seed=0, *, place, k, score='ripu', strategy='active'
):
  return questions.find(
    scores.Seen(logits),
    ids,
    asked,
    size=logits.shape[1:3],
    seed=seed,
    strategy=strategy,
    score=score,
    place=place,
    rows=1,
    cols=1,
    k=k,
    n=1,
  )


choose = jax.jit(
  pixels.choose, static_argnames=('place', 'k', 'seed', 'num_classes')
)


def chosen(place, score_map, k, *, labels=None, asked=None, seed=0, ids=None):
  batch = len(score_map)
  found = scores.Maps(
    np.zeros(score_map.shape, np.uint8) if labels is None else labels,
    score_map,
  )
  if asked is None:
    asked = np.zeros((batch, 0, 2), np.int32)
  ids = np.arange(batch, dtype=np.uint32) if ids is None else ids
  return np.asarray(
    choose(place, found, asked, k, seed=seed, image_ids=ids, num_classes=5)
  )


def ripu_by_hand(logits, k, asked=()):
  """RIPU's PA as published, on one image [H, W, C]: k pixels, best first."""
  height, width, _ = logits.shape
  radius = max(1, height // 32)
  p = np.exp(logits - logits.max(-1, keepdims=True))
  p /= p.sum(-1, keepdims=True)
  unsure = (-p * np.log(p + 1e-6)).sum(-1)
  labels = p.argmax(-1)
  score = np.zeros((height, width))
  for i, j in np.ndindex(height, width):
    counts = collections.Counter(
      labels[y, x]
      for y in range(max(0, i - radius), min(height, i + radius + 1))
      for x in range(max(0, j - radius), min(width, j + radius + 1))
    )
    shares = [count / sum(counts.values()) for count in counts.values()]
    impurity = -sum(share * np.log(share) for share in shares)
    score[i, j] = unsure[i, j] * impurity
  score = score.round(9)  # scores equal up to rounding are ties

  def forbid(i, j):
    score[max(0, i - radius) : i + radius + 1][
      :, max(0, j - radius) : j + radius + 1
    ] = -np.inf

  for i, j in asked:
    forbid(i, j)
  found = []
  for _ in range(k):
    i, j = divmod(int(np.argmax(score)), width)
    found.append([i, j])
    forbid(i, j)
  return found


@pytest.mark.parametrize('size', [(9, 14), (64, 48), (97, 40)])
@pytest.mark.parametrize('classes', [2, 5, 19])
def test_ripu_asks_what_an_independent_program_asks(size, classes):
  rng = np.random.default_rng(classes)
  logits = rng.normal(0, 2, (3, *size, classes)).astype(np.float32)
  # Regions, as a network predicts them.
  logits[:, size[0] // 3 :, : size[1] // 2, 0] += 6
  logits[2, :, -5:, 1] += 9
  asked = np.stack(
    [rng.integers(0, size[0], (3, 4)), rng.integers(0, size[1], (3, 4))], -1
  )
  asked[1, 2:] = -(2**15)  # the image has fewer
  found = ask(logits, asked, place='pixels', k=7).points
  for image, before, points in zip(logits, asked, found, strict=True):
    before = [point for point in before if point[0] >= 0]
    expected = ripu_by_hand(image.astype(np.float64), 7, before)
    assert points.tolist() == expected


def test_ripu_takes_ties_from_the_top_left_and_squares_end_at_borders():
  """A chessboard of two classes: most pixels have many equals."""
  board = (np.indices((3, 64, 60)) // 5).sum(0) % 2
  logits = np.stack([board, 1 - board], -1).astype(np.float32)
  logits[1] = 0  # one class: every score is 0
  logits[2, 0, 0] = logits[2, -1, -1] = 1 + 1e-3
  found = ask(logits, NOTHING, place='pixels', k=12).points
  for image, points in zip(logits, found, strict=True):
    assert points.tolist() == ripu_by_hand(image.astype(np.float64), 12)
  assert found[1, :3].tolist() == [[0, 0], [0, 3], [0, 6]]


@pytest.mark.parametrize('place', ['pixels', 'turns'])
def test_rounds_together_ask_what_one_round_would(place):
  rng = np.random.default_rng(0)
  score_map = rng.choice(np.linspace(0, 1, 9, dtype=np.float32), (3, 40, 30))
  labels = rng.choice(5, (3, 1, 30), p=[0.6, 0.2, 0.1, 0.1, 0])
  labels = np.broadcast_to(labels, score_map.shape).astype(np.uint8)
  at_once = chosen(place, score_map, 12, labels=labels)
  asked = np.zeros((3, 0, 2), np.int32)
  for k in (5, 3, 4):
    more = chosen(place, score_map, k, labels=labels, asked=asked)
    asked = np.concatenate([asked, more], axis=1)
  np.testing.assert_array_equal(asked, at_once)
  for image in at_once:
    apart = abs(image[:, None] - image[None]).max(-1)
    assert (apart + 99 * np.eye(12)).min() == 2  # the radius of 40 rows is 1


def turns_by_hand(score, labels, k):
  radius = max(1, len(score) // 32)
  allowed, had, found = np.ones(score.shape, bool), collections.Counter(), []
  for _ in range(k):
    places = np.argwhere(allowed).tolist()
    fewest = min(had[labels[i, j]] for i, j in places)
    i, j = max(
      (place for place in places if had[labels[tuple(place)]] == fewest),
      key=lambda place: (score[tuple(place)], [-x for x in place]),
    )
    found.append([i, j])
    had[labels[i, j]] += 1
    allowed[max(0, i - radius) : i + radius + 1][
      :, max(0, j - radius) : j + radius + 1
    ] = False
  return found


def test_classes_take_turns_while_they_have_room():
  rng = np.random.default_rng(1)
  score_map = rng.random((2, 32, 24)).astype(np.float32)
  labels = np.zeros((2, 32, 24), np.uint8)
  labels[0, :, 12:], labels[0, 30:, :3] = 1, 4
  labels[1, 5, 5] = 3
  found = chosen('turns', score_map, 14, labels=labels)
  for image in range(2):
    expected = turns_by_hand(score_map[image], labels[image], 14)
    assert found[image].tolist() == expected
  of_first = labels[0][tuple(found[0].T)]
  assert sorted(of_first[:3].tolist()) == [0, 1, 4]
  assert set(labels[1][tuple(found[1].T)].tolist()) == {0, 3}


def test_a_sample_comes_from_the_5_percent_least_sure_not_asked_yet():
  rng = np.random.default_rng(2)
  score_map = rng.random((3, 40, 50)).astype(np.float32)
  asked = np.full((3, 30, 2), -(2**15), np.int32)
  best = np.argsort(-score_map.reshape(3, -1), axis=1)
  for image, count in enumerate((0, 10, 30)):
    places = best[image, :count]
    asked[image, :count] = np.stack(np.divmod(places, 50), -1)
  found = chosen('sample', score_map, 60, asked=asked)
  for image, count in enumerate((0, 10, 30)):
    places = found[image] @ [50, 1]
    assert len(set(places.tolist())) == 60
    assert set(places.tolist()) <= set(best[image, count:][:100].tolist())
    taken = score_map[image].ravel()[places]
    assert (np.diff(taken) <= 0).all()


def test_a_sample_is_uniform_and_the_image_s_own():
  score_map = np.tile(np.arange(200.0, dtype=np.float32), (4000, 1))
  score_map = score_map.reshape(-1, 10, 20)
  found = chosen('sample', score_map, 2) @ [20, 1]
  assert found.min() == 190
  counts = collections.Counter(map(tuple, found.tolist()))
  assert len(counts) == 45
  # 0.999 quantile of chi square with 44 degrees of freedom.
  expected = len(found) / 45
  assert sum((x - expected) ** 2 for x in counts.values()) / expected < 79
  ids = np.array([7, 3], np.uint32)
  some = chosen('sample', score_map[:2], 2, ids=ids) @ [20, 1]
  np.testing.assert_array_equal(some, found[ids])
  other = chosen('sample', score_map, 2, seed=1) @ [20, 1]
  assert not np.array_equal(other, found)


def test_every_round_draws_anew():
  """With the same draw, those left over would be asked first."""
  score_map = np.zeros((300, 10, 20), np.float32)
  first = chosen('sample', score_map, 1)
  second = chosen('sample', score_map, 1, asked=first)
  places = (second @ [20, 1]).ravel()
  assert len(set(places.tolist())) == 11  # 10 of the pool, one moved up
  assert not (first == second).all(-1).any()


@pytest.mark.parametrize('place', pixels.PLACES)
@pytest.mark.parametrize(
  ('score', 'strategy'), [('entropy', 'random'), ('random', 'active')]
)
def test_random_pixels_are_those_of_the_image_and_the_seed(
  place, score, strategy
):
  rng = np.random.default_rng(3)
  logits = rng.normal(0, 2, (3, 33, 47, 4)).astype(np.float32)
  logits[..., 0] += 50 * (place == 'turns')  # which depend on predictions
  how = {'place': place, 'k': 9, 'score': score, 'strategy': strategy}
  found = ask(logits, NOTHING, **how)
  order = [2, 0, 1]
  again = ask(2 * logits[order], NOTHING, IDS[order], **how)
  np.testing.assert_array_equal(again.points, found.points[np.array(order)])
  other = ask(logits, NOTHING, seed=1, **how)
  assert not np.array_equal(other.points, found.points)
  assert len({tuple(x) for x in found.points.reshape(-1, 2).tolist()}) > 20


@pytest.mark.parametrize('place', pixels.PLACES)
def test_a_question_is_worth_the_score_of_its_pixel(place):
  rng = np.random.default_rng(4)
  logits = rng.normal(0, 2, (3, 33, 47, 4)).astype(np.float32)
  found = ask(logits, NOTHING, place=place, k=6, score='entropy')
  maps = scores.maps('entropy', scores.Seen(logits), (33, 47))
  for image in range(3):
    row, col = found.points[image].T
    np.testing.assert_allclose(found.worth[image], maps.scores[image][row, col])
  np.testing.assert_array_equal(found.pseudo_labels, maps.labels)


@pytest.mark.parametrize(
  ('place', 'most'), [('pixels', 32), ('turns', 32), ('sample', 14)]
)
def test_no_more_is_asked_than_always_finds_room(place, most):
  size = (12, 24)
  pixels.check(place, size, most)
  said = saying.refusal(
    lambda: pixels.check(place, size, most + 1), errors.UsageError
  )
  assert f'acquire.k={most + 1} must be 0 to {most}' in said
  found = chosen(place, np.zeros((1, *size), np.float32), most)
  assert len({tuple(x) for x in found[0].tolist()}) == most
