"""Stage 2, acquisition: selects the points to be labelled."""

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from pointsup_jax import errors
from pointsup_jax.acquisition import questions, scores, selection
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.data import image_files, sources
from pointsup_jax.evaluation import inference
from pointsup_jax.hosts import processes, progress
from pointsup_jax.models import deeplab
from pointsup_jax.run import (
  acquire_check,
  batches,
  carrying,
  drawn_points,
  predicted,
)
from pointsup_jax.run import context as run_lib
from pointsup_jax.stages import requesting
from pointsup_jax.types import Variables


class Round(NamedTuple):
  """What a round knows of N images before it scores them."""

  done: np.ndarray  # [N] bool, nothing is left to ask about
  asked: np.ndarray  # before: see `questions.find`
  lacking: np.ndarray  # [N] points to ask about; 0 with a budget


def ask(run: run_lib.Run) -> None:
  """Writes pseudo labels and requests for every target training image."""
  source = run.source('target', labelled=False)
  acquire_check.check_budget(run.config.acquire, len(source))
  with contextlib.ExitStack() as stack:
    store = None
    if processes.is_first():
      run.workdir.annotations.parent.mkdir(parents=True, exist_ok=True)
      store = stack.enter_context(store_lib.Store(run.workdir.annotations))
    step = score_images(run, source, store)
    if store is None:
      return
    if run.config.acquire.place == 'patches':
      drawn_points.positions(run, store, source.names)
      requesting.ask_for_rest(run, source, store, step)
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
  round = known(run, store, source.names)
  todo = np.flatnonzero(~round.done).tolist()
  most = int(round.lacking[todo].max(initial=0))
  how = settings(run) | {
    'seed': run.seed('points'),
    'k': most // acquire_check.per_place(config.acquire),
  }
  step, find = asking(run, how)
  if config.uda.predictions:
    source = predicted.target(run)
  of = {source.names[i]: i for i in todo}
  for names, batch, valid in batches.every_image(
    run,
    sources.Subset(source, todo),
    config.acquire.batch_size,
    'stage 2, acquisition',
    before=len(source) - len(todo),
  ):
    which = [of[name] for name in names]
    found: questions.Found = jax.device_get(
      find(
        batch.images,
        selection.image_ids(names),
        round.asked[which],
      )
    )
    if not np.isfinite(found.scores).all():  # predictions have been checked
      raise errors.UserError(
        f'the model in {workdir.newest.checkpoints} is broken: its scores of '
        f'{names[0]} and others are not finite; lower optim.lr and start '
        'anew with --overwrite'
      )
    if store is not None:
      for i in range(valid):
        mine = questions.Found(*(x[i] for x in found))
        record(run, store, names[i], mine.first(round.lacking[which[i]]), step)
  return step


def asking(run: run_lib.Run, how: dict) -> tuple[int, Callable]:
  """The step of the model that asks, 0 for predictions, and what it asks.

  That is `questions.find` or `questions.choose` as a compiled function of
  images, or of predictions in their place, image ids and what was asked.
  """
  config, workdir = run.config, run.workdir
  if config.uda.predictions:
    choose = functools.partial(
      of_predictions,
      of_labels=predicted.open_folder(run).of_labels,
      num_classes=run.classes.num_classes,
      **how,
    )
    return 0, batches.compiled(run, choose)
  step, variables = run.trained(workdir.newest)
  before = None
  if workdir.round > 1 and scores.compares(config.acquire.score):
    _, before = run.trained(workdir.at(workdir.round - 1).newest)
  find = functools.partial(find_questions, segmenter=run.segmenter(), **how)
  return step, functools.partial(batches.compiled(run, find), variables, before)


def known(
  run: run_lib.Run, store: store_lib.Store | None, names: Sequence[str]
) -> Round:
  """Broadcasts what the round knows."""
  number, acquire = run.workdir.round, run.config.acquire
  scored = np.zeros(len(names), bool)
  if store is not None:
    finished = store.images(number)
    scored[:] = [name in finished for name in names]
  if acquire.place == 'patches':
    asked = drawn_points.asked_before(run, store, names, number) > 0
    wanted = requesting.places_wanted(run, asked.sum(axis=1)) * acquire.n
    lacking = np.full(len(names), 0 if acquire.budget else wanted)
    found = Round(scored, asked, lacking)
  else:
    before = drawn_points.asked_before(run, store, names, number)
    spent = before.sum(axis=1)
    asked = drawn_points.pixels_before(store, names, number + 1)
    have = (asked[..., 0] >= 0).sum(axis=1)
    lacking = requesting.places_wanted(run, spent) - (have - spent)
    # If k has grown, scored images lack some.
    found = Round(scored & (lacking <= 0), asked, np.maximum(lacking, 0))
  what = 'what was asked before'
  return Round(*(processes.from_first(x, what) for x in found))


def settings(run: run_lib.Run) -> dict:
  """Arguments of `questions.find` from config."""
  acquire = run.config.acquire
  rows, cols = acquire.grid
  return {
    'strategy': acquire.strategy,
    'score': acquire.score,
    'place': acquire.place,
    'rows': rows,
    'cols': cols,
    'n': acquire.n,
  }


def find_questions(
  variables: Variables,
  before: Variables | None,
  images: jax.Array,
  image_ids: jax.Array,
  asked: jax.Array,
  *,
  segmenter: deeplab.DeepLabV2,
  **settings: Any,
) -> questions.Found:
  """Segments [B, H, W, 3] uint8 RGB, then does `questions.find`.

  `before` are the last round's variables, if the score compares with them.
  """
  seen = scores.Seen(*inference.look(segmenter, variables, images))
  if before is not None:
    other = inference.small_logits(segmenter, before, images)
    seen = seen._replace(before=other)
  size = (images.shape[1], images.shape[2])
  return questions.find(seen, image_ids, asked, size=size, **settings)


def of_predictions(
  given: jax.Array,
  image_ids: jax.Array,
  asked: jax.Array,
  *,
  of_labels: bool,
  num_classes: int,
  score: str,
  **settings: Any,
) -> questions.Found:
  """`questions.choose` by `data.predictions.Folder.maps`, [B, H, W, D]."""
  shown = scores.with_map(score, before=False)
  maps = scores.maps_of(shown, given, num_classes, of_labels=of_labels)
  return questions.choose(
    maps, image_ids, asked, num_classes=num_classes, score=score, **settings
  )


def record(
  run: run_lib.Run,
  store: store_lib.Store,
  name: str,
  found: questions.Found,
  step: int,
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
  requests = requesting.requests_of(run, name, found, step)
  height, width = found.pseudo_labels.shape
  new = store.add_image(
    name, (height, width), found.scores, requests, run.workdir.round
  )
  if not new:
    store.ask(requests)
