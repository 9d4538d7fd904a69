"""Selection of single pixels to ask about, where no patches are asked."""

import jax
import jax.numpy as jnp

from pointsup_jax import errors
from pointsup_jax.acquisition import grid, scores, selection
from pointsup_jax.types import Array

PLACES = ('pixels', 'turns', 'sample')

_POOL = 0.05  # 'sample': share of an image's pixels that are drawn from


def choose(
  place: str,
  found: scores.Maps,
  asked: Array,
  k: int,
  *,
  seed: int,
  image_ids: Array,
  num_classes: int,
) -> jax.Array:
  """Chooses k pixels of each image: [B, k, 2] int32, row and column.

  Args:
    place: 'pixels' (`best`), 'turns' (`best`, classes taking turns) or
      'sample' (`sample`).
    found: of the images; the scores may be any that rank pixels.
    asked: [B, A, 2] integer, pixels of earlier rounds; negative rows are none.
    k: number of pixels; `check` tells whether there are as many.
    seed: of 'sample', which depends only on it, `image_ids` and the number of
      pixels asked.
    image_ids: [B] uint32.
    num_classes: labels in `found` are below it.
  """
  asked = jnp.asarray(asked)
  if place == 'sample':
    keys = selection.keys(seed, selection.PIXELS, image_ids)
    return sample(found.scores, asked, k, keys)
  # Turns of one class are no turns.
  labels = found.labels if place == 'turns' else jnp.zeros_like(found.labels)
  return best(found.scores, labels, asked, k, num_classes)


def best(
  score_map: jax.Array,
  labels: jax.Array,
  asked: jax.Array,
  k: int,
  num_classes: int,
) -> jax.Array:
  """Asks one after the other for the best pixel that is still allowed.

  A pixel forbids the square around it for good, as in RIPU (Xie et al., CVPR
  2022, PA): `scores.ripu_radius` to every side. Each time, the classes asked
  about least have their turn, and of their pixels the one with the highest
  score is taken; ties go to the upper row, then to the left.

  Args:
    score_map: [B, H, W].
    labels: [B, H, W], classes that take turns; of one class, none do.
    asked: [B, A, 2], earlier pixels, which forbid theirs and have had turns.
    k: number of pixels.
    num_classes: labels are below it.

  Returns:
    [B, k, 2] int32, in the order of asking.
  """
  height, width = score_map.shape[1:]
  radius = scores.ripu_radius(height)
  rows, cols = jnp.arange(height)[:, None], jnp.arange(width)

  def take(
    allowed: jax.Array, turns: jax.Array, label: jax.Array, pixel: jax.Array
  ) -> tuple[jax.Array, jax.Array]:
    row, col = pixel[0], pixel[1]
    near = (abs(rows - row) <= radius) & (abs(cols - col) <= radius)
    turns = turns.at[label[row, col]].add(row >= 0)
    return allowed & ~near, turns

  def of_image(
    score: jax.Array, label: jax.Array, asked: jax.Array
  ) -> jax.Array:
    def ask(state: tuple, _: None) -> tuple[tuple, jax.Array]:
      allowed, turns = state
      had = turns[label]
      fewest = jnp.min(jnp.where(allowed, had, jnp.iinfo(had.dtype).max))
      candidates = jnp.where(allowed & (had == fewest), score, -jnp.inf)
      place = jnp.argmax(candidates.ravel()).astype(jnp.int32)
      pixel = jnp.stack(jnp.divmod(place, width))
      return take(allowed, turns, label, pixel), pixel

    state = jnp.ones((height, width), bool), jnp.zeros(num_classes, jnp.int32)
    state, _ = jax.lax.scan(
      lambda state, pixel: (take(*state, label, pixel), None), state, asked
    )
    return jax.lax.scan(ask, state, length=k)[1]

  return jax.vmap(of_image)(score_map, labels, asked.astype(jnp.int32))


def sample(
  score_map: jax.Array, asked: jax.Array, k: int, keys: jax.Array
) -> jax.Array:
  """Draws k of the 5% of pixels with the highest scores, uniformly.

  PixelPick's way (Shin et al., ICCV workshops 2021), which keeps questions
  apart by chance: of the pixels not asked yet, those with the highest scores,
  5% of all.

  Args:
    score_map: [B, H, W].
    asked: [B, A, 2], earlier pixels.
    k: number of pixels.
    keys: [B], of the images; every round draws with another one.

  Returns:
    [B, k, 2] int32, highest score first.
  """
  height, width = score_map.shape[1:]

  def of_image(score: jax.Array, asked: jax.Array, key: jax.Array) -> jax.Array:
    valid = asked[:, 0] >= 0
    place = asked[:, 0] * width + asked[:, 1]
    place = jnp.where(valid, place, height * width)  # beyond: dropped
    score = score.ravel().at[place].set(-jnp.inf, mode='drop')
    pool = grid.top_patches(score[None], pool_size(height, width))[0]
    key = jax.random.fold_in(key, jnp.sum(valid))
    chosen = pool[selection.distinct(key, 1, len(pool), k)[0]]
    return jnp.stack(jnp.divmod(chosen, width), axis=-1)

  return jax.vmap(of_image)(score_map, asked.astype(jnp.int32), keys)


def pool_size(height: int, width: int) -> int:
  """The number of pixels that `sample` draws from."""
  return int(_POOL * height * width)


def check(place: str, size: tuple[int, int], k: int) -> None:
  """Raises errors.UsageError if images of `size` (H, W) have no k pixels."""
  height, width = size
  if place == 'sample':
    most = pool_size(height, width)
    why = 'the pixels with the 5% highest scores'
  else:
    side = 2 * scores.ripu_radius(height) + 1
    # However they lie, so many squares never cover the image.
    most = -(-height * width // side**2)
    why = f'as many squares of {side} pixels as always find room'
  if not 0 <= k <= most:
    raise errors.UsageError(
      f'acquire.k={k} must be 0 to {most} with acquire.place={place!r}: {why} '
      f'in data.target.size=({height}, {width})'
    )
