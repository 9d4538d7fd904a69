"""Stage 3: trains G2 on the source and the target's point labels."""

import functools
from collections.abc import Sequence

import jax
import numpy as np

from pointsup_jax.acquisition import selection, targets
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.data import image_files, sources
from pointsup_jax.stages import phase
from pointsup_jax.stages import run as run_lib
from pointsup_jax.types import Example


def run(run: run_lib.Run) -> None:
  """Trains from where stage 1 started, with fresh opponents (Eq. 9)."""
  config, workdir = run.config, run.workdir
  warm = config.uda.source_only_steps > 0
  phase.train(
    run,
    workdir.adapt,
    title='stage 3, points',
    strategy=config.adapt.strategy,
    steps=config.adapt.steps,
    source=run.source('source', labelled=True),
    target=PointLabelled(run, run.source('target', labelled=False)),
    target_weight=config.adapt.target_weight,
    initial=workdir.source_only if warm else None,
  )


class PointLabelled:
  """The target's images with the labels of stage 3 in place of their own."""

  def __init__(self, run: run_lib.Run, images: sources.Source) -> None:
    self._run, self._images = run, images
    self.names = images.names
    self._points = draw_all_points(run, images.names)
    with store_lib.Store(run.workdir.annotations) as store:
      self._asked = {name: store.asked_patches(name) for name in images.names}
      self._answers = {name: store.answered(name) for name in images.names}

  def __len__(self) -> int:
    return len(self._images)

  def __getitem__(self, index: int) -> Example:
    example = self._images[index]
    acquire = self._run.config.acquire
    pseudo = image_files.read_labels(
      self._run.workdir.pseudo_label(example.name)
    )
    labels = targets.target_labels(
      pseudo,
      points=self._points[index],
      asked=self._asked[example.name],
      answers=self._answers[example.name],
      mode=self._run.config.adapt.pseudo_labels,
      grid=tuple(acquire.grid),
    )
    return example._replace(labels=labels)


def draw_all_points(run: run_lib.Run, names: Sequence[str]) -> np.ndarray:
  """The points acquisition drew in every patch: [images, P, N, 2] int16."""
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
