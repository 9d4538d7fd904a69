"""Stage 2, acquisition: selects the points to be labelled."""

import contextlib
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from pointsup_jax import errors
from pointsup_jax.acquisition import budget, grid, scores, selection
from pointsup_jax.annotation import records
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.data import image_files, sources
from pointsup_jax.evaluation import inference
from pointsup_jax.hosts import processes, progress
from pointsup_jax.models import deeplab
from pointsup_jax.run import batches, config_check, drawn_points
from pointsup_jax.run import context as run_lib
from pointsup_jax.types import Array, Variables


class Found(NamedTuple):
  """Acquisition results for a batch of images."""

  pseudo_labels: Array  # [B, H, W] uint8
  scores: Array  # [B, P]
  patches: Array  # [B, K], selected ones, best first
  points: Array  # [B, P, N, 2], (row, col) in every patch


def ask(run: run_lib.Run) -> None:
  """Writes pseudo labels and requests for every target training image."""
  source = run.source('target', labelled=False)
  config_check.check_budget(run.config.acquire, len(source))
  with contextlib.ExitStack() as stack:
    store = None
    if processes.is_first():
      run.workdir.annotations.parent.mkdir(parents=True, exist_ok=True)
      store = stack.enter_context(store_lib.Store(run.workdir.annotations))
    step = score_images(run, source, store)
    if store is None:
      return
    if run.config.acquire.budget:
      ask_within_budget(run, source, store, step)
    counts = store.counts()
  which = f', round {run.workdir.round}' if run.workdir.rounds > 1 else ''
  progress.say(
    f'stage 2{which}: {counts.requests - counts.answered} points in '
    f'{len(source)} images to be labelled'
  )


def score_images(
  run: run_lib.Run, source: sources.Source, store: store_lib.Store | None
) -> int:
  """Scores every image; without a budget, also requests k patches of each.

  `store` is None on all but the first process. Returns the model's step.
  """
  config, workdir = run.config, run.workdir
  done, asked = known(run, store, source.names)
  step, variables = run.trained(workdir.newest)
  find = batches.compiled(
    run,
    functools.partial(
      find_points,
      segmenter=run.segmenter(),
      seed=run.seed('points'),
      **settings(run),
    ),
  )
  todo = np.flatnonzero(~done).tolist()
  of = {source.names[i]: asked[i] for i in todo}
  for names, batch, valid in batches.every_image(
    run,
    sources.Subset(source, todo),
    config.acquire.batch_size,
    'stage 2, acquisition',
    before=len(source) - len(todo),
  ):
    found: Found = jax.device_get(
      find(
        variables,
        batch.images,
        selection.image_ids(names),
        np.stack([of[name] for name in names]),
      )
    )
    if not np.isfinite(found.scores).all():
      raise errors.UserError(
        f'the model in {workdir.newest.checkpoints} is broken: its scores of '
        f'{names[0]} and others are not finite; lower optim.lr and start '
        'anew with --overwrite'
      )
    if store is not None:
      for i in range(valid):
        record(run, store, names[i], Found(*(x[i] for x in found)), step)
  return step


def known(
  run: run_lib.Run, store: store_lib.Store | None, names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
  """Broadcasts the images done in this round, [N] bool, and `asked_before`."""
  round = run.workdir.round
  done = np.zeros(len(names), bool)
  if store is not None:
    finished = store.images(round)
    done[:] = [name in finished for name in names]
  asked = drawn_points.asked_before(run, store, names, round)
  return (
    processes.from_first(done, 'what was asked before'),
    processes.from_first(asked, 'what was asked before'),
  )


def settings(run: run_lib.Run) -> dict:
  """Arguments of `points_of_logits` from config; k is 0 with a budget."""
  acquire, workdir = run.config.acquire, run.workdir
  rows, cols = acquire.grid
  k = budget.share(acquire.k, workdir.round, workdir.rounds)
  return {
    'strategy': acquire.strategy,
    'score': acquire.score,
    'rows': rows,
    'cols': cols,
    'k': 0 if acquire.budget else k,
    'n': acquire.n,
  }


def find_points(
  variables: Variables,
  images: jax.Array,
  image_ids: jax.Array,
  asked: jax.Array,
  *,
  segmenter: deeplab.DeepLabV2,
  **settings: Any,
) -> Found:
  """Segments [B, H, W, 3] uint8 RGB, then does `points_of_logits`."""
  small = inference.small_logits(segmenter, variables, images)
  size = (images.shape[1], images.shape[2])
  return points_of_logits(small, image_ids, asked, size=size, **settings)


def points_of_logits(
  small_logits: jax.Array,
  image_ids: jax.Array,
  asked: jax.Array,
  *,
  size: tuple[int, int],
  seed: int,
  strategy: str,
  score: str,
  rows: int,
  cols: int,
  k: int,
  n: int,
) -> Found:
  """Uncertainty, patch scores, patches and points (Eqs. 5, 6) from logits.

  Args:
    small_logits: [B, h, w, C], the network's output.
    image_ids: [B] uint32; random points depend only on these and the seed.
    asked: [B, P] bool, patches of earlier rounds.
    size: (H, W) of the images.
    seed: of the random points and of random scores and ranks.
    strategy: a name of `selection.STRATEGIES`.
    score: a name of `scores.NAMES`, or 'random'.
    rows: of the patch grid, P = rows * cols.
    cols: of the patch grid.
    k: patches per image.
    n: points per patch, N.
  """
  shown = score if score != 'random' else 'entropy'
  labels, score_map = scores.maps(shown, small_logits, size)
  if score == 'random':
    patch_scores = selection.random_scores(seed, image_ids, rows * cols)
  else:
    patch_scores = grid.patch_scores(score_map, rows, cols)
  ranks = selection.ranking(strategy, patch_scores, seed, image_ids)
  return Found(
    pseudo_labels=labels,
    scores=patch_scores,
    patches=selection.select(strategy, ranks, asked, k),
    points=selection.draw_points(seed, image_ids, size, rows, cols, n),
  )


def record(
  run: run_lib.Run, store: store_lib.Store, name: str, found: Found, step: int
) -> None:
  """Writes one image's pseudo labels, then its requests in one transaction.

  All rounds keep stage 1's pseudo labels: models trained on them would only
  confirm them.
  """
  path = run.workdir.pseudo_label(name)
  if run.workdir.round == 1:
    image_files.write_labels(path, found.pseudo_labels)
  else:
    kept = image_files.read_labels(path, found.pseudo_labels.shape)
    found = found._replace(pseudo_labels=kept)
  requests = [
    request
    for patch in found.patches
    for request in requests_of(run, name, int(patch), found, step)
  ]
  height, width = found.pseudo_labels.shape
  store.add_image(
    name, (height, width), found.scores, requests, run.workdir.round
  )


def requests_of(
  run: run_lib.Run, name: str, patch: int, found: Found, step: int
) -> list[records.Request]:
  """The requests for the points of one patch."""
  return [
    records.Request(
      id=records.request_id(name, row, col),
      image=name,
      row=int(row),
      col=int(col),
      patch=patch,
      score=float(found.scores[patch]),
      pseudo_label=int(found.pseudo_labels[row, col]),
      round=run.workdir.round,
      model_step=step,
    )
    for row, col in found.points[patch]
  ]


def ask_within_budget(
  run: run_lib.Run, source: sources.Source, store: store_lib.Store, step: int
) -> None:
  """Requests the best patches over all images, once all are scored."""
  acquire, round = run.config.acquire, run.workdir.round
  count = budget.share(acquire.budget // acquire.n, round, run.workdir.rounds)
  scored = store.patch_scores(round)
  patch_scores = np.stack([scored[name] for name in source.names])
  asked = drawn_points.asked_before(run, store, source.names, round)
  ids = selection.image_ids(source.names)
  ranks = selection.ranking(
    acquire.strategy, patch_scores, run.seed('points'), ids
  )
  chosen = np.asarray(selection.select_among_all(ranks, asked, count))
  drawn = drawn_points.draw_all(run, source.names)
  requests = []
  for i in np.unique(chosen[:, 0]):
    name = source.names[i]
    found = Found(
      pseudo_labels=image_files.read_labels(
        run.workdir.pseudo_label(name), run.config.data.target.size
      ),
      scores=patch_scores[i],
      patches=chosen[chosen[:, 0] == i, 1],
      points=drawn[i],
    )
    for patch in found.patches:
      requests += requests_of(run, name, int(patch), found, step)
  store.add_round(round, requests)
