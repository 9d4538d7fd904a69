"""The report's image strips: images with labels, predictions and points."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pointsup_jax import errors
from pointsup_jax.annotation import records
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.data import image_files, sources, transforms
from pointsup_jax.report import comparison, gather, predictions
from pointsup_jax.report.figures import image_strips
from pointsup_jax.run import acquire_check, recorded_data, trained_models
from pointsup_jax.run import context as run_lib
from pointsup_jax.types import IGNORE, Example

_UNCERTAIN = {'best': 'most uncertain', 'worst': 'least uncertain'}


class Strips(NamedTuple):
  """Image strips, and messages about their missing tiles."""

  strips: list[image_strips.Strip]
  missing: list[str]


def evaluated(run: run_lib.Run, predict: predictions.Predict) -> Strips:
  """The last model's best, median and worst image, with all predictions."""
  scored = gather.scored(run)
  if not scored:
    return Strips([], [])
  of_image = scored[-1][1].image_miou
  chosen = comparison.extremes(of_image)
  recorded_data.require_same(run, 'evaluation', 'report')
  size = tuple(run.config.data.evaluation.size)
  native = run.source('evaluation', labelled=True, full_labels=True)
  examples = find(sources.with_images_of(native, size), chosen)
  shown = {
    title: image_strips.Strip(
      f'{title}, mIoU {100 * of_image[example.name]:.1f}',
      example.name,
      {
        'image': image_strips.Tile(image=example.image),
        'truth': image_strips.Tile(
          labels=transforms.resize_labels(example.labels, size)
        ),
      },
    )
    for title, example in examples.items()
  }
  missing = []
  for model, _ in scored:
    made_of, why = predictions.made(
      run, predict, model.phase, 'evaluation', list(examples.values())
    )
    if why:
      missing.append(f'Predictions of {model.column!r}: {why}.')
      continue
    for title, made in zip(examples, made_of, strict=True):
      tiles = shown[title].tiles
      tiles[run.title(model)] = image_strips.Tile(labels=made.labels)
      if model is scored[-1][0]:
        tiles['entropy'] = image_strips.Tile(scores=made.entropy)
  return Strips(list(shown.values()), missing)


def asked(run: run_lib.Run, predict: predictions.Predict) -> Strips:
  """The most, median and least uncertain images with points."""
  if not run.workdir.annotations.exists():
    return Strips([], [])
  with store_lib.Store(
    run.workdir.annotations, run.classes.num_classes
  ) as store:
    chosen = _by_uncertainty(store)
    requests = {title: store.requests(name) for title, name in chosen.items()}
    current = {
      point: entry
      for name in chosen.values()
      for point, entry in store.current_answers(name).items()
    }
    last = store.newest_round()
  if not chosen:
    return Strips([], [])
  recorded_data.require_same(run, 'target', 'report')
  examples = find(run.source('target', labelled=False), chosen)
  images = [example.image for example in examples.values()]
  shown = {
    title: image_strips.Strip(
      title, example.name, {'image': image_strips.Tile(image=example.image)}
    )
    for title, example in examples.items()
  }
  missing = []
  # Only the newest round's asking model is on disk; these images may have been
  # asked about in earlier rounds.
  asks = run.workdir.at(max(last, 1)).newest
  kind = predictions.shown_score(run).replace('_', ' ')
  made_of, why = predictions.made(
    run, predict, asks, 'target', list(examples.values())
  )
  if why:
    missing.append(f'Uncertainty of target images: {why}.')
  for title, made in zip(examples, made_of, strict=False):
    shown[title].tiles[kind] = image_strips.Tile(scores=made.score)
  grid = acquire_check.asked_grid(run.config.acquire)
  for title, example in examples.items():
    tiles = shown[title].tiles
    tiles['patches, points'] = with_points(
      example.image, grid, requests[title], current
    )
    path = run.workdir.pseudo_label(example.name)
    if path.exists():
      labels = image_files.read_labels(path, example.image.shape[:2])
      tiles['pseudo label'] = image_strips.Tile(labels=labels)
  of_points = [model.phase for model in trained_models.with_points(run.workdir)]
  trained = [x for x in of_points if trained_models.is_trained(x)]
  if trained:
    made_of = predict(trained[-1], images)
    for strip, made in zip(shown.values(), made_of, strict=True):
      strip.tiles['after points'] = image_strips.Tile(labels=made.labels)
  try:
    labelled = find(run.source('target', labelled=True), chosen)
  except errors.UserError:
    missing.append('The truth of target images: they have no label files.')
  else:
    for title, example in labelled.items():
      shown[title].tiles['truth'] = image_strips.Tile(labels=example.labels)
  return Strips(list(shown.values()), missing)


def _by_uncertainty(store: store_lib.Store) -> dict[str, str]:
  """'most uncertain', 'median' and 'least uncertain' -> image with points."""
  ranks = {
    name: -float(place) for place, name in enumerate(store.asked_images())
  }
  return {
    _UNCERTAIN.get(title, title): name
    for title, name in comparison.extremes(ranks).items()
  }


def with_points(
  image: np.ndarray,
  grid: tuple[int, int],
  requests: Sequence[records.Request],
  current: Mapping[str, records.Entry],
) -> image_strips.Tile:
  """An image [H, W, 3] overlaid with its asked patches and points."""
  height, width = image.shape[0] // grid[0], image.shape[1] // grid[1]
  corners = {
    (point.row // height * height, point.col // width * width)
    for point in requests
  }
  dots = []
  for request in requests:
    entry = current.get(request.id)
    answer = None if entry is None else entry.label
    agrees = answer in (None, IGNORE, request.pseudo_label)
    dots.append(image_strips.Dot(request.row, request.col, answer, agrees))
  return image_strips.Tile(
    image=image,
    asked=[(*corner, height, width) for corner in sorted(corners)],
    dots=dots,
  )


def find(
  source: sources.Source, chosen: Mapping[str, str]
) -> dict[str, Example]:
  """Loads images by the same keys; UserError if one is gone or unreadable."""
  index = {name: i for i, name in enumerate(source.names)}
  for name in chosen.values():
    if name not in index:
      raise errors.UserError(f'image {name!r} is no longer among the data')
  return {title: source[index[name]] for title, name in chosen.items()}
