"""Stage 2: finds the points that an annotator should be asked about."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pointsup_jax import errors, progress, stop
from pointsup_jax.acquisition import grid, scores, selection
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.data import image_files, pipeline, sources
from pointsup_jax.evaluation import predict
from pointsup_jax.models import deeplab
from pointsup_jax.stages import run as run_lib
from pointsup_jax.types import Variables


class Asked(NamedTuple):
  """What acquisition finds in a batch of images."""

  pseudo_labels: jax.Array  # [B, H, W] uint8
  scores: jax.Array  # [B, P], every patch's
  patches: jax.Array  # [B, K], best first
  points: jax.Array  # [B, P, N, 2], rows and columns in every patch


def run(run: run_lib.Run) -> None:
  """Writes pseudo labels and requests for every target training image."""
  config = run.config
  source = run.source('target', labelled=False)
  step, variables = run.trained(run.workdir.uda)
  ask = jax.jit(
    functools.partial(
      find_points,
      segmenter=run.segmenter(),
      seed=run.seed('points'),
      **settings(run),
    )
  )
  run.workdir.annotations.parent.mkdir(parents=True, exist_ok=True)
  with store_lib.Store(run.workdir.annotations) as store:
    done = store.images()
    todo = [i for i, name in enumerate(source.names) if name not in done]
    batches = pipeline.in_order(
      sources.Subset(source, todo),
      batch_size=config.acquire.batch_size,
      num_threads=config.data.threads,
    )
    with progress.Progress(
      'stage 2, acquisition', len(source), start=len(done), unit='image'
    ) as bar:
      for names, batch, valid in batches:
        asked = jax.device_get(
          ask(variables, batch.images, selection.image_ids(names))
        )
        if not np.isfinite(asked.scores).all():
          raise errors.UserError(
            f'the model of stage 1 is broken: its scores of {names[0]} and '
            'others are not finite; lower optim.lr and start anew with '
            '--overwrite'
          )
        for i in range(valid):
          record(run, store, names[i], Asked(*(x[i] for x in asked)), step)
        bar.update(len(store.images()))
        stop.check()
    counts = store.counts()
  progress.say(
    f'stage 2: {counts.requests} points in {len(source)} images to be labelled'
  )


def settings(run: run_lib.Run) -> dict:
  """The fields of config.acquire that decide what is asked."""
  acquire = run.config.acquire
  rows, cols = acquire.grid
  return {
    'strategy': acquire.strategy,
    'score': acquire.score,
    'rows': rows,
    'cols': cols,
    'k': acquire.k,
    'n': acquire.n,
  }


def find_points(
  variables: Variables,
  images: jax.Array,
  image_ids: jax.Array,
  *,
  segmenter: deeplab.DeepLabV2,
  seed: int,
  strategy: str,
  score: str,
  rows: int,
  cols: int,
  k: int,
  n: int,
) -> Asked:
  """Forward pass, uncertainty, patch scores, patches and points (Eqs. 5, 6).

  Args:
    variables: of G1.
    images: [B, H, W, 3] uint8, RGB.
    image_ids: [B] uint32; they alone, with the seed, decide the random points.
    segmenter: G1.
    seed: of the random points.
    strategy: a name of `selection.STRATEGIES`.
    score: a function of `acquisition.scores`.
    rows: of the patch grid.
    cols: of the patch grid.
    k: patches asked in an image.
    n: points asked in a patch.
  """
  size = (images.shape[1], images.shape[2])
  logits = predict.logits(segmenter, variables, images, size)
  patch_scores = grid.patch_scores(getattr(scores, score)(logits), rows, cols)
  return Asked(
    pseudo_labels=jnp.argmax(logits, -1).astype(jnp.uint8),
    scores=patch_scores,
    patches=selection.select(strategy, patch_scores, seed, image_ids, k),
    points=selection.draw_points(seed, image_ids, size, rows, cols, n),
  )


def record(
  run: run_lib.Run, store: store_lib.Store, name: str, asked: Asked, step: int
) -> None:
  """Writes one image's pseudo labels, then its requests in one transaction."""
  image_files.write_labels(run.workdir.pseudo_label(name), asked.pseudo_labels)
  requests = [
    store_lib.Request(
      id=store_lib.request_id(name, row, col),
      image=name,
      row=int(row),
      col=int(col),
      patch=int(patch),
      score=float(asked.scores[patch]),
      pseudo_label=int(asked.pseudo_labels[row, col]),
      round=1,
      model_step=step,
    )
    for patch in asked.patches
    for row, col in asked.points[patch]
  ]
  height, width = asked.pseudo_labels.shape
  store.add_image(name, (height, width), float(asked.scores.mean()), requests)
