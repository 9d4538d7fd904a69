"""Requests for points: of one image, and those that a round still lacks."""

from collections.abc import Sequence

import numpy as np

from pointsup_jax.acquisition import budget, grid, questions, selection
from pointsup_jax.annotation import records
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.data import image_files, sources
from pointsup_jax.run import context as run_lib
from pointsup_jax.run import drawn_points


def requests_of(
  run: run_lib.Run, name: str, found: questions.Found, step: int
) -> list[records.Request]:
  """The requests for the points found in an image."""
  patches = grid.patch_of(
    found.points, found.pseudo_labels.shape, *run.config.acquire.grid
  )
  return [
    records.Request(
      id=records.request_id(name, row, col),
      image=name,
      row=int(row),
      col=int(col),
      patch=int(patch),
      score=float(worth),
      pseudo_label=int(found.pseudo_labels[row, col]),
      round=run.workdir.round,
      model_step=step,
    )
    for (row, col), patch, worth in zip(
      found.points, patches, found.worth, strict=True
    )
  ]


def places_wanted(run: run_lib.Run, spent: np.ndarray) -> int:
  """Patches or pixels to ask about in each image in this round.

  `spent` are those before it, [N].
  """
  acquire = run.config.acquire
  if acquire.strategy == 'self_training':
    return 0
  if acquire.strategy == 'full':
    return acquire.grid[0] * acquire.grid[1]
  before = int(spent.max(initial=0))
  return budget.share(acquire.k, run.workdir.round, run.workdir.rounds, before)


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
  drawn = drawn_points.positions(run, store, names)
  requests = []
  for i in np.unique(places[:, 0]):
    name = names[i]
    guesses = image_files.read_labels(
      run.workdir.pseudo_label(name), run.config.data.target.size
    )
    known = {request.id for request in store.requests(name) if request.round}
    for patch in places[places[:, 0] == i, 1]:
      found = questions.Found(
        pseudo_labels=guesses,
        scores=patch_scores[i],
        points=drawn[i, patch],
        worth=np.full(n, patch_scores[i, patch]),
      )
      new = [
        request
        for request in requests_of(run, name, found, step)
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
  wanted = places_wanted(run, (before > 0).sum(axis=1))
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
