"""The random points of all patches, the same in stages 2 and 3."""

import functools
from collections.abc import Sequence

import jax
import numpy as np

from pointsup_jax.acquisition import selection
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
