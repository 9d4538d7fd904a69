"""Drawn points and those asked, as stages 2 and 3 see them."""

import functools
from collections.abc import Callable, Sequence

import jax
import numpy as np

from pointsup_jax.acquisition import grid, selection
from pointsup_jax.annotation import drawn, facts, records
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.data import image_files
from pointsup_jax.run import context as run_lib

_NONE = -(2**15)  # row and column of no pixel, far from all


def positions(
  run: run_lib.Run, store: store_lib.Store, names: Sequence[str]
) -> np.ndarray:
  """The points of every patch: [images, P, N, 2] int16, (row, col).

  The store keeps them: they are drawn from the seed once, and anew if
  config.acquire.n has grown since.
  """
  rows, cols = run.config.acquire.grid
  shape = (rows * cols, run.config.acquire.n, 2)
  table = drawn.Drawn(store.database)
  known = table.all()
  lacking = [
    name
    for name in names
    if name not in known or known[name].size != np.prod(shape)
  ]
  if lacking:
    new = dict(zip(lacking, _draw(run, lacking), strict=True))
    table.keep(new)
    known |= new
  found = [known[name].reshape(shape) for name in names]
  return np.stack(found) if found else np.zeros((0, *shape), np.int16)


def _draw(run: run_lib.Run, names: Sequence[str]) -> np.ndarray:
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


def pixels_before(
  store: store_lib.Store | None, names: Sequence[str], round: int
) -> np.ndarray:
  """Pixels requested before a round, [N, A, 2] int32, as `pixels.choose` does.

  A is the most of any image; the others end with pixels that are none.
  """
  of_image: dict[str, list] = {name: [] for name in names}
  for request in store.each_request() if store else ():
    if 0 < request.round < round and request.image in of_image:
      of_image[request.image].append((request.row, request.col))
  most = max(map(len, of_image.values()), default=0)
  asked = np.full((len(names), most, 2), _NONE, np.int32)
  for i, pixels in enumerate(of_image.values()):
    asked[i, : len(pixels)] = np.reshape(pixels, (-1, 2))
  return asked


def adding(
  run: run_lib.Run, store: store_lib.Store
) -> Callable[[facts.Pixel], records.Request]:
  """Returns a function that makes the request for a point no round asked."""
  rows, cols = run.config.acquire.grid
  size = height, width = run.config.data.target.size
  scores = store.patch_scores(1)

  @functools.lru_cache(maxsize=1)
  def guesses(image: str) -> np.ndarray:
    path = run.workdir.pseudo_label(image)
    return image_files.read_labels(path, (height, width))

  def add(pixel: facts.Pixel) -> records.Request:
    image, row, col = pixel
    patch = int(grid.patch_of(np.array([row, col]), size, rows, cols))
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
