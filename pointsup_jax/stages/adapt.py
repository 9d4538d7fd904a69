"""Stage 3: trains G2 on the source and the target's point labels (Eq. 9)."""

import dataclasses
from collections.abc import Sequence

import ml_collections
import numpy as np

from pointsup_jax.acquisition import grid, segments, targets
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.data import image_files, sources
from pointsup_jax.hosts import processes, progress
from pointsup_jax.run import (
  acquire_check,
  answers_used,
  drawn_points,
  held_back,
  methods,
)
from pointsup_jax.run import context as run_lib
from pointsup_jax.run import workdir as workdir_lib
from pointsup_jax.stages import phase, source_classes
from pointsup_jax.training import step
from pointsup_jax.types import IGNORE, Example


def train(run: run_lib.Run) -> None:
  """Trains from the segmenter of `initial`, with fresh opponents."""
  run = dataclasses.replace(run, config=of_stage_3(run.config))
  config, workdir = run.config, run.workdir
  title = 'stage 3, points'
  if workdir.round < workdir.rounds:
    title += f', round {workdir.round}'
  source = run.source(
    'source', labelled=True, depth=methods.need(config, 'depth', ('adapt',))
  )
  phase.train(
    run,
    workdir.adapt,
    title=title,
    strategy=config.adapt.strategy,
    steps=config.adapt.steps,
    source=source,
    target=point_labelled(run, run.source('target', labelled=False)),
    supervision=supervision(config),
    initial=initial(config, workdir),
    draw=source_classes.drawer(run, source, workdir.adapt),
  )


def of_stage_3(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
  """A copy of the config in which the rates decay as stage 3's."""
  config = config.copy_and_resolve_references()
  config.optim.decay_steps = (
    config.adapt.decay_steps or config.optim.decay_steps
  )
  return config


def initial(
  config: ml_collections.ConfigDict, workdir: workdir_lib.Workdir
) -> workdir_lib.Phase | None:
  """The phase whose segmenter stage 3 starts from; None: that of a file."""
  match config.adapt.initial:
    case 'uda':
      return workdir.uda
    case 'asking':
      return workdir.newest
    case _:
      return workdir.source_only if config.uda.source_only_steps else None


def supervision(config: ml_collections.ConfigDict) -> step.Supervision:
  """The cross entropies' weights; 0 for labels the run does not have."""
  nobody_asked = (
    config.acquire.strategy == 'self_training'
    and not config.annotate.whole_images
  )
  no_guesses = config.adapt.pseudo_labels == 'none'
  return step.Supervision(
    aux=config.losses.aux,
    answers=0.0 if nobody_asked else config.adapt.answer_weight,
    guesses=0.0 if no_guesses else config.adapt.guess_weight,
    enough_answers=config.adapt.enough_answers,
    separate_means=config.adapt.separate_means,
  )


def point_labelled(run: run_lib.Run, images: sources.Source) -> sources.Source:
  """The target's images with the labels of stage 3 in place of their own."""
  whole = whole_images(run, len(images))
  truth = run.source('target', labelled=True) if whole else None
  asked, answers = read_answers(run, images.names)
  points = guessed_points(run, images.names)
  # Where each image's answers begin.
  begin = np.searchsorted(answers[:, 0], np.arange(len(images) + 1))

  mode = run.config.adapt.pseudo_labels
  cells = tuple(run.config.acquire.grid)

  def label(index: int, example: Example) -> Example:
    if truth is not None and index in whole:
      every = truth[index].labels
      return example._replace(labels=every, answered=every != IGNORE)
    _, rows, cols, classes = answers[begin[index] : begin[index + 1]].T
    mine = rows, cols, classes.astype(np.uint8)
    guesses = image_files.read_labels(
      run.workdir.pseudo_label(example.name), example.image.shape[:2]
    )
    labels, answered = targets.target_labels(
      guesses,
      points=points[index],
      asked=np.flatnonzero(asked[index]),
      answers=mine,
      mode='none' if mode == 'segments' else mode,
      grid=cells,
    )
    if mode == 'segments':
      parts = segments.of_image(example.image, run.config.adapt.segments)
      around = segments.spread(guesses, parts, mine)
      # Nothing in patches whose answers are held back, or not given yet.
      places = grid.patch_of(
        np.stack([rows, cols], axis=-1), labels.shape, *cells
      )
      silent = asked[index].copy()
      silent[places] = False
      around[grid.pixels_of(silent, labels.shape, *cells)] = IGNORE
      labels = np.where(answered, labels, around)
    return example._replace(labels=labels, answered=answered)

  return sources.Mapped(images, label)


def whole_images(run: run_lib.Run, images: int) -> set[int]:
  """Those of the target's `images` in which every pixel is labelled.

  Raises errors.UsageError if there are not as many.
  """
  acquire_check.check_enough(run.config.annotate, images)
  random = np.random.default_rng(run.seed('whole images'))
  chosen = random.permutation(images)[: run.config.annotate.whole_images]
  return set(chosen.tolist())


def guessed_points(run: run_lib.Run, names: Sequence[str]) -> np.ndarray:
  """The drawn points of every patch, [N, P, n, 2], broadcast from the store.

  Without pseudo labels at them, there are none: n is 0.
  """
  rows, cols = run.config.acquire.grid
  points = np.zeros((len(names), rows * cols, 0, 2), np.int16)
  if run.config.adapt.pseudo_labels != 'points':
    return points
  if processes.is_first():
    with store_lib.Store(run.workdir.annotations) as store:
      points = drawn_points.positions(run, store, names)
  return processes.from_first(points, 'the drawn points')


def read_answers(
  run: run_lib.Run, names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
  """Reads requests and answers up to this round, broadcast to all processes.

  Later rounds are left out because a round may be trained again, answers given
  since the phase began because it may have been stopped, and answers held back
  (config.adapt.holdout) because the models are scored on them.

  Returns:
    The requested patches, [N, P] bool, and the answers, [A, 4] int32: image
    index (ascending), row, column and label, 255 where it is unknown.
  """
  round = run.workdir.round
  asked = drawn_points.asked_before(run, None, names, round)
  answers = np.zeros((0, 4), np.int32)
  if processes.is_first():
    with store_lib.Store(
      run.workdir.annotations, run.classes.num_classes
    ) as store:
      asked = drawn_points.asked_before(run, store, names, round + 1)
      index = {name: i for i, name in enumerate(names)}
      held = set()
      for point in held_back.requests(run, store):
        held.add((point.image, point.row, point.col))
        if point.image in index:  # asked elsewhere, it has no round
          asked[index[point.image], point.patch] += 1
      used = answers_used.of(run.workdir.adapt)
      last = used.last if used else store.answers_since(round)[0]
      found = []
      for i, name in enumerate(names):
        labelled = store.answered(name, round, last)
        number = np.full(len(labelled.labels), i)
        found.append(np.stack([number, *labelled], axis=1))
    answers = np.concatenate(found).astype(np.int32)
    if held:
      kept = [(names[i], row, col) not in held for i, row, col, _ in answers]
      progress.say(
        f'adapt.holdout: {len(kept) - sum(kept)} of {len(kept)} answers are '
        'held back from training, to score on'
      )
      answers = answers[np.array(kept, bool)]
    if used is None:
      used = answers_used.Used(last, len(answers))
      answers_used.remember(run.workdir.adapt, used)
  return (
    processes.from_first(asked > 0, 'the answers'),
    processes.from_first(answers, 'the answers'),
  )
