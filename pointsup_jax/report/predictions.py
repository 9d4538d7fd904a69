"""Model predictions on the report's images.

The first process writes the report, but models run on the devices of all
processes, so the others run them too, on the same images.
"""

import contextlib
import functools
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from pointsup_jax import errors
from pointsup_jax.acquisition import scores
from pointsup_jax.evaluation import inference
from pointsup_jax.hosts import processes
from pointsup_jax.run import (
  batches,
  predicted,
  recorded_data,
  trained_models,
)
from pointsup_jax.run import context as run_lib
from pointsup_jax.run import workdir as workdir_lib
from pointsup_jax.types import Array, Example, Variables

_WHAT = 'the images of the report'


class Maps(NamedTuple):
  """The prediction for one image."""

  labels: np.ndarray  # [H, W] uint8
  entropy: np.ndarray  # [H, W] float32
  score: np.ndarray  # [H, W] float32; see `shown_score`


class AloneError(Exception):
  """Only this process failed: it must end, because the others wait for it."""


# Predicts images [H, W, 3] with a phase's last checkpoint.
Predict: TypeAlias = Callable[
  [workdir_lib.Phase, Sequence[np.ndarray]], list[Maps]
]


@contextlib.contextmanager
def on_all_processes(run: run_lib.Run) -> Iterator[Predict]:
  """Lets the first process run models on all processes within the block.

  The other processes call `help_first_process` meanwhile.

  Yields:
    A `Predict`; it raises errors.UserError if the model cannot be read.
  """
  run_model = predict_function(run)

  def predict(
    phase: workdir_lib.Phase, images: Sequence[np.ndarray]
  ) -> list[Maps]:
    where = phase.root.relative_to(run.workdir.root)
    processes.by_first(lambda: [where.as_posix(), len(images)], _WHAT)
    try:
      return run_model(phase, [processes.from_first(x, _WHAT) for x in images])
    except OSError as error:
      raise AloneError(f'{error}, in {phase.checkpoints}') from error

  try:
    yield predict
  finally:
    processes.by_first(lambda: None, _WHAT)


def help_first_process(run: run_lib.Run) -> None:
  """Joins the first process's predictions until its block ends."""
  run_model = predict_function(run)
  phases = [model.phase for model in trained_models.all_of(run.workdir)]
  of_root = {x.root.relative_to(run.workdir.root): x for x in phases}
  while (order := processes.by_first(lambda: None, _WHAT)) is not None:
    where, count = order
    nothing = np.zeros(0)
    images = [processes.from_first(nothing, _WHAT) for _ in range(count)]
    with contextlib.suppress(errors.UserError):  # reported by the first
      run_model(of_root[pathlib.Path(where)], images)


def predict_function(run: run_lib.Run) -> Predict:
  """A `Predict` that all processes must call; compiled once per size."""
  segmenter = run.segmenter()
  shown = shown_score(run)

  def see(variables: Variables, image: Array) -> tuple[jax.Array, ...]:
    height, width, _ = image.shape
    seen = scores.Seen(*inference.look(segmenter, variables, image[None]))
    labels, entropy = scores.maps('entropy', seen, (height, width))
    _, score = scores.maps(shown, seen, (height, width))
    return labels[0], entropy[0], score[0]

  compiled = batches.compiled(run, see)

  def predict(
    phase: workdir_lib.Phase, images: Sequence[np.ndarray]
  ) -> list[Maps]:
    _, variables = run.trained(phase)
    return [Maps(*map(np.asarray, compiled(variables, x))) for x in images]

  return predict


def made(
  run: run_lib.Run,
  predict: Predict,
  phase: workdir_lib.Phase,
  domain: str,
  examples: Sequence[Example],
) -> tuple[list[Maps], str]:
  """Predictions of images of a domain, or none and why."""
  if run.network(phase) == run_lib.PREDICTIONS:
    try:
      recorded_data.require_same(run, recorded_data.PREDICTED[domain], 'report')
      return [
        given(run, domain, x.name, x.image.shape[:2]) for x in examples
      ], ''
    except errors.UserError as error:  # e.g. they are gone
      return [], str(error)
  if not trained_models.is_trained(phase):
    return [], 'no checkpoint'
  return predict(phase, [x.image for x in examples]), ''


def given(
  run: run_lib.Run, domain: str, name: str, size: tuple[int, ...]
) -> Maps:
  """What another model predicts for an image of a domain, at `size` (H, W).

  On this process alone. Raises errors.UserError if its file is unfit.
  """
  height, width = size
  folder = predicted.open_folder(run)
  shapes = predicted.shapes_of(run, domain)(name)
  maps = jnp.asarray(folder.maps(name, shapes, (height, width))[None])
  of = functools.partial(scores.maps_of, of_labels=folder.of_labels)
  labels, entropy = of('entropy', maps, run.classes.num_classes)
  _, score = of(shown_score(run), maps, run.classes.num_classes)
  return Maps(*(np.asarray(x[0]) for x in (labels, entropy, score)))


def shown_score(run: run_lib.Run) -> str:
  """The acquisition score, or 'entropy' if it has no map of one model."""
  return scores.with_map(run.config.acquire.score, before=False)
