"""Checks the fields of a config that say what is asked."""

import ml_collections

from pointsup_jax import errors
from pointsup_jax.acquisition import grid, pixels, scores


def check(config: ml_collections.ConfigDict) -> None:
  """Raises errors.UsageError for the first field of `acquire` that is unfit."""
  acquire, size = config.acquire, tuple(config.data.target.size)
  in_patches = acquire.place == 'patches'
  rows, cols = acquire.grid
  # The grid and its points are also those of pseudo labels.
  grid.check(size, rows, cols, acquire.k if in_patches else 0, acquire.n)
  if not in_patches:
    check_pixels(acquire, size)
  if scores.compares(acquire.score) and acquire.rounds < 2:
    raise errors.UsageError(
      f'acquire.score={acquire.score!r} compares the models of two rounds; set '
      'acquire.rounds=2 or more'
    )
  check_rounds(acquire)


def check_pixels(
  acquire: ml_collections.ConfigDict, size: tuple[int, int]
) -> None:
  """Raises errors.UsageError for what single pixels do not go with."""
  if acquire.strategy == 'full':
    raise errors.UsageError(
      f"acquire.strategy='full' asks all patches, but acquire.place="
      f"{acquire.place!r} asks none; set acquire.place='patches'"
    )
  if acquire.budget:
    raise errors.UsageError(
      f'acquire.budget={acquire.budget} is spent on patches, but '
      f'acquire.place={acquire.place!r} asks none; set acquire.budget=0, and '
      'acquire.k to the points of each image'
    )
  pixels.check(acquire.place, size, acquire.k)


def per_place(acquire: ml_collections.ConfigDict) -> int:
  """Points asked in each of the k places of an image."""
  return acquire.n if acquire.place == 'patches' else 1


def asked_grid(acquire: ml_collections.ConfigDict) -> tuple[int, int]:
  """Rows and columns of the patches asked; where none are, the whole image."""
  return tuple(acquire.grid) if acquire.place == 'patches' else (1, 1)


def asks(acquire: ml_collections.ConfigDict) -> bool:
  """Whether anybody is asked about points."""
  return {'self_training': False, 'full': True}.get(
    acquire.strategy, acquire.k > 0 or acquire.budget > 0
  )


def check_rounds(acquire: ml_collections.ConfigDict) -> None:
  """Raises errors.UsageError for unusable rounds or budgets."""
  strategy, budget, rounds = acquire.strategy, acquire.budget, acquire.rounds
  if strategy not in ('active', 'random') and (budget or rounds > 1):
    raise errors.UsageError(
      f'acquire.strategy={strategy!r} has neither budget nor rounds; set '
      'acquire.budget=0 and acquire.rounds=1'
    )
  if budget and budget < rounds * acquire.n:
    raise errors.UsageError(
      f'acquire.budget={budget} must be at least {rounds * acquire.n}: a patch '
      f'of acquire.n={acquire.n} points in each of acquire.rounds={rounds}'
    )
  if rounds > 1 and not budget and acquire.k < rounds:
    raise errors.UsageError(
      f'acquire.k={acquire.k} must be at least acquire.rounds={rounds}, a '
      'patch of every image in each round; or set acquire.budget'
    )


def check_budget(acquire: ml_collections.ConfigDict, images: int) -> None:
  """Raises errors.UsageError if the budget exceeds the available points."""
  rows, cols = acquire.grid
  most = images * rows * cols * acquire.n
  if acquire.budget > most:
    raise errors.UsageError(
      f'acquire.budget={acquire.budget} is more than the {most} points of '
      f'{images} target images'
    )


def check_whole_images(config: ml_collections.ConfigDict) -> None:
  """Raises errors.UsageError for what whole images do not go with."""
  whole = config.annotate.whole_images
  if not whole:
    return
  if config.annotate.oracle != 'ground_truth':
    raise errors.UsageError(
      f'annotate.whole_images={whole} is of the simulated annotator, but '
      f'annotate.oracle={config.annotate.oracle!r}; set '
      '--config.annotate.whole_images=0'
    )
  if config.adapt.holdout:
    raise errors.UsageError(
      f'annotate.whole_images={whole} labels every pixel of its images, so '
      f'adapt.holdout={config.adapt.holdout} cannot hold any of them back; set '
      'one of them to 0'
    )


def check_enough(annotate: ml_collections.ConfigDict, images: int) -> None:
  """Raises errors.UsageError if more images are labelled whole than exist."""
  if annotate.whole_images > images:
    raise errors.UsageError(
      f'annotate.whole_images={annotate.whole_images} is more than the '
      f'{images} target images'
    )
