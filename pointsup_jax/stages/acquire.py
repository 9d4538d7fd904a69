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
from pointsup_jax.run import batches, carrying, config_check, drawn_points
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
    ask_for_rest(run, source, store, step)
    carrying.take_in_earlier(run, store)
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
      **settings(run, asked),
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
  asked = drawn_points.asked_before(run, store, names, round) > 0
  return (
    processes.from_first(done, 'what was asked before'),
    processes.from_first(asked, 'what was asked before'),
  )


def settings(run: run_lib.Run, asked: np.ndarray) -> dict:
  """Arguments of `points_of_logits` from config; k is 0 with a budget.

  `asked` are the patches of earlier rounds, [N, P] bool.
  """
  acquire = run.config.acquire
  rows, cols = acquire.grid
  k = patches_wanted(run, asked)
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


def patches_wanted(run: run_lib.Run, asked: np.ndarray) -> int:
  """Patches of each image in this round; `asked` are those before it."""
  spent = int(asked.sum(axis=1).max(initial=0))
  return budget.share(
    run.config.acquire.k, run.workdir.round, run.workdir.rounds, spent
  )


def ask_for_rest(
  run: run_lib.Run, source: sources.Source, store: store_lib.Store, step: int
) -> None:
  """Requests what this round lacks, once all images are scored.

  That is all of a budget, and what config.acquire has grown by since.
  """
  names, round = source.names, run.workdir.round
  before = drawn_points.asked_before(run, store, names, round)
  asked = drawn_points.asked_before(run, store, names, round + 1)
  scored = store.patch_scores(round)
  patch_scores = np.stack([scored[name] for name in names])
  chosen = choose_rest(run, patch_scores, before, asked, names)
  n = run.config.acquire.n
  short = np.zeros((0, 2), int)
  if not run.config.acquire.budget:  # which new patches alone use up
    short = np.argwhere((asked > 0) & (asked < n))
  places = np.concatenate([chosen, short])
  if not len(places):
    return
  drawn = drawn_points.draw_all(run, names)
  requests = []
  for i in np.unique(places[:, 0]):
    name = names[i]
    found = Found(
      pseudo_labels=image_files.read_labels(
        run.workdir.pseudo_label(name), run.config.data.target.size
      ),
      scores=patch_scores[i],
      patches=places[places[:, 0] == i, 1],
      points=drawn[i],
    )
    known = {request.id for request in store.requests(name) if request.round}
    for patch in found.patches:
      new = [
        request
        for request in requests_of(run, name, int(patch), found, step)
        if request.id not in known
      ]
      if asked[i, patch]:  # its points are sorted: take any of them
        seed = (run.seed('points'), *selection.image_ids([name]), patch)
        np.random.default_rng(seed).shuffle(new)
      requests += new[: n - asked[i, patch]]
  store.ask(requests)


def choose_rest(
  run: run_lib.Run,
  patch_scores: np.ndarray,
  before: np.ndarray,
  asked: np.ndarray,
  names: Sequence[str],
) -> np.ndarray:
  """Chooses patches that this round still lacks: [M, 2], image and patch.

  Args:
    run: the run.
    patch_scores: [N, P].
    before: [N, P], points requested in each patch by earlier rounds.
    asked: [N, P], the same including this round.
    names: of the N images.
  """
  acquire, workdir = run.config.acquire, run.workdir
  if acquire.strategy not in ('active', 'random'):
    return np.zeros((0, 2), int)  # all patches or none were asked at once
  ranks = selection.ranking(
    acquire.strategy,
    patch_scores,
    run.seed('points'),
    selection.image_ids(names),
  )
  if acquire.budget:
    points = acquire.budget - int(before.sum())
    if workdir.round < workdir.rounds:  # in whole patches
      left = max(0, points) // acquire.n
      rounds = workdir.rounds - workdir.round + 1
      points = acquire.n * budget.share(left, 1, rounds)
    count = max(0, points - int(asked.sum() - before.sum())) // acquire.n
    return np.asarray(selection.select_among_all(ranks, asked > 0, count))
  wanted = patches_wanted(run, before > 0)
  lacking = wanted - ((asked > 0) & (before == 0)).sum(axis=1)
  most = max(0, int(lacking.max(initial=0)))
  best = np.asarray(selection.select('active', ranks, asked > 0, most))
  return np.array(
    [
      (i, patch)
      for i, count in enumerate(lacking)
      for patch in best[i, : max(0, count)]
    ],
    int,
  ).reshape(-1, 2)
