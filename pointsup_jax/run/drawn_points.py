"""The points of all patches and those asked, as stages 2 and 3 see them."""

import functools
from collections.abc import Sequence

import jax
import numpy as np

from pointsup_jax.acquisition import selection
from pointsup_jax.annotation import store as store_lib
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
  """The patches requested before a round, [N, P] bool; none without a store."""
  rows, cols = run.config.acquire.grid
  asked = np.zeros((len(names), rows * cols), bool)
  patches = store.asked_before(round) if store else {}
  for i, name in enumerate(names):
    asked[i, list(patches.get(name, ()))] = True
  return asked
