"""What to ask about a batch of images, from what the network gives for them."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pointsup_jax.acquisition import grid, pixels, scores, selection
from pointsup_jax.types import Array

PLACES = ('patches', *pixels.PLACES)


class Found(NamedTuple):
  """Acquisition results for a batch of images, or for one of them."""

  pseudo_labels: Array  # [B, H, W] uint8
  scores: Array  # [B, P], of patches
  points: Array  # [B, Q, 2] int32, (row, col) of the questions, best first
  worth: Array  # [B, Q] float32, the patch's score or the pixel's own

  def first(self, count: int) -> 'Found':
    """The same of one image, with no more than the `count` best questions."""
    return self._replace(points=self.points[:count], worth=self.worth[:count])


def find(
  seen: scores.Seen,
  image_ids: jax.Array,
  asked: jax.Array,
  *,
  size: tuple[int, int],
  score: str,
  **how: Any,
) -> Found:
  """`choose` by the maps of what the network gives, enlarged to `size` (H, W).

  `score` is a name of `scores.SCORES`, or 'random'.
  """
  shown = scores.with_map(score, before=seen.before is not None)
  maps = scores.maps(shown, seen, size)
  classes = seen.logits.shape[-1]
  return choose(maps, image_ids, asked, num_classes=classes, score=score, **how)


def choose(
  maps: scores.Maps,
  image_ids: jax.Array,
  asked: jax.Array,
  *,
  num_classes: int,
  seed: int,
  strategy: str,
  score: str,
  place: str,
  rows: int,
  cols: int,
  k: int,
  n: int,
) -> Found:
  """Patch scores and questions by classes and uncertainty (Eqs. 5, 6).

  Args:
    maps: of the images.
    image_ids: [B] uint32; random points depend only on these and the seed.
    asked: of earlier rounds, patches [B, P] bool with `place` 'patches', else
      pixels [B, A, 2], see `pixels.choose`.
    num_classes: C.
    seed: of the random points and of random scores and ranks.
    strategy: a name of `selection.STRATEGIES`.
    score: whose `maps` they are; with 'random' random ones take their place.
    place: one of PLACES.
    rows: of the patch grid, P = rows * cols.
    cols: of the patch grid.
    k: patches or pixels per image.
    n: points per patch.
  """
  size = maps.labels.shape[1], maps.labels.shape[2]
  if score == 'random':
    patch_scores = selection.random_scores(seed, image_ids, rows * cols)
  else:
    patch_scores = grid.patch_scores(maps.scores, rows, cols)
  if place == 'patches':
    ranks = selection.ranking(strategy, patch_scores, seed, image_ids)
    patches = selection.select(strategy, ranks, asked, k)
    drawn = selection.draw_points(seed, image_ids, size, rows, cols, n)
    points = jnp.take_along_axis(drawn, patches[..., None, None], axis=1)
    worth = jnp.take_along_axis(patch_scores, patches, axis=1)
    return Found(
      pseudo_labels=maps.labels,
      scores=patch_scores,
      points=points.reshape(len(points), -1, 2),
      worth=jnp.repeat(worth, n, axis=1),
    )
  ranked = maps
  if 'random' in (strategy, score):
    of_pixels = selection.random_scores(
      seed, image_ids, size[0] * size[1], selection.PIXELS
    )
    ranked = maps._replace(scores=of_pixels.reshape(-1, *size))
  points = pixels.choose(
    place,
    ranked,
    asked,
    k,
    seed=seed,
    image_ids=image_ids,
    num_classes=num_classes,
  )
  of_question = ranked.scores if score == 'random' else maps.scores
  image = jnp.arange(len(points))[:, None]
  return Found(
    pseudo_labels=maps.labels,
    scores=patch_scores,
    points=points,
    worth=of_question[image, points[..., 0], points[..., 1]],
  )
