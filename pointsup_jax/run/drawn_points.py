"""The points of all patches and those asked, as stages 2 and 3 see them."""

import functools
from collections.abc import Callable, Sequence

import jax
import numpy as np

from pointsup_jax.acquisition import selection
from pointsup_jax.annotation import facts, records
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.data import image_files
from pointsup_jax.run import context as run_lib


def draw_all(run: run_lib.Run, names: Sequence[str]) -> np.ndarray:
  """Draws the points of every patch: [images, P, N, 2] int16, (row, col)."""
  acquire = run.config.acquire
  draw = jax.jit(
    functools.partial(
      selection.draw_points,
      run.seed('points'),
      size=tuple(run.config.data.target.size),
      rows=acquire.grid[0],
      cols=acquire.grid[1],
      n=acquire.n,
    )
  )
  return np.asarray(draw(selection.image_ids(names)), np.int16)


def asked_before(
  run: run_lib.Run,
  store: store_lib.Store | None,
  names: Sequence[str],
  round: int,
) -> np.ndarray:
  """Points requested before a round in each patch, [N, P]; 0 without a store.

  Points that no round asked for do not count.
  """
  rows, cols = run.config.acquire.grid
  asked = np.zeros((len(names), rows * cols), np.int32)
  patches = store.asked_before(round) if store else {}
  for i, name in enumerate(names):
    for patch, points in patches.get(name, {}).items():
      asked[i, patch] = points
  return asked


def adding(
  run: run_lib.Run, store: store_lib.Store
) -> Callable[[facts.Pixel], records.Request]:
  """Returns a function that makes the request for a point no round asked."""
  rows, cols = run.config.acquire.grid
  height, width = run.config.data.target.size
  scores = store.patch_scores(1)

  @functools.lru_cache(maxsize=1)
  def guesses(image: str) -> np.ndarray:
    path = run.workdir.pseudo_label(image)
    return image_files.read_labels(path, (height, width))

  def add(pixel: facts.Pixel) -> records.Request:
    image, row, col = pixel
    patch = row // (height // rows) * cols + col // (width // cols)
    return records.Request(
      id=records.request_id(image, row, col),
      image=image,
      row=row,
      col=col,
      patch=patch,
      score=float(scores[image][patch]),
      pseudo_label=int(guesses(image)[row, col]),
      round=0,
      model_step=0,
    )

  return add
