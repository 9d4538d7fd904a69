"""What the models make of the report's images.

The first process makes the report. A model runs on the devices of all, so the
other processes run it with the first one, on the same images.
"""

import contextlib
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import jax
import numpy as np

from pointsup_jax import errors
from pointsup_jax.acquisition import scores
from pointsup_jax.evaluation import inference
from pointsup_jax.hosts import processes
from pointsup_jax.run import batches, trained_models
from pointsup_jax.run import context as run_lib
from pointsup_jax.run import workdir as workdir_lib
from pointsup_jax.types import Array, Variables

_WHAT = 'the images of the report'


class Prediction(NamedTuple):
  """What a model makes of an image."""

  labels: np.ndarray  # [H, W] uint8
  entropy: np.ndarray  # [H, W] float32
  score: np.ndarray  # [H, W] float32, what patches are chosen by


# What a phase's last model makes of images [H, W, 3].
Predict: TypeAlias = Callable[
  [workdir_lib.Phase, Sequence[np.ndarray]], list[Prediction]
]


@contextlib.contextmanager
def on_all_processes(run: run_lib.Run) -> Iterator[Predict]:
  """Runs models on all processes; for the first one, within the block.

  The others `help_first_process` meanwhile.

  Yields:
    A function that raises errors.UserError if the model cannot be read.
  """
  run_model = predict_function(run)

  def predict(
    phase: workdir_lib.Phase, images: Sequence[np.ndarray]
  ) -> list[Prediction]:
    where = phase.root.relative_to(run.workdir.root)
    processes.decided(lambda: [where.as_posix(), len(images)], _WHAT)
    try:
      return run_model(phase, [processes.from_first(x, _WHAT) for x in images])
    except OSError as error:
      # Of this process alone: the others wait for it, and have to be told.
      raise RuntimeError(f'{error}, in {phase.checkpoints}') from error

  try:
    yield predict
  finally:
    processes.decided(lambda: None, _WHAT)


def help_first_process(run: run_lib.Run) -> None:
  """Runs the models that the first process runs, until it has enough."""
  run_model = predict_function(run)
  phases = [model.phase for model in trained_models.of(run.workdir)]
  of_root = {x.root.relative_to(run.workdir.root): x for x in phases}
  while (order := processes.decided(lambda: None, _WHAT)) is not None:
    where, count = order
    nothing = np.zeros(0)
    images = [processes.from_first(nothing, _WHAT) for _ in range(count)]
    with contextlib.suppress(errors.UserError):  # the first one says it
      run_model(of_root[pathlib.Path(where)], images)


def predict_function(run: run_lib.Run) -> Predict:
  """What all processes have to call together; compiled once a size."""
  segmenter = run.segmenter()
  shown = shown_score(run)

  def see(variables: Variables, image: Array) -> tuple[jax.Array, ...]:
    height, width, _ = image.shape
    small = inference.small_logits(segmenter, variables, image[None])
    labels, entropy = scores.maps('entropy', small, (height, width))
    _, score = scores.maps(shown, small, (height, width))
    return labels[0], entropy[0], score[0]

  compiled = batches.compiled(run, see)

  def predict(
    phase: workdir_lib.Phase, images: Sequence[np.ndarray]
  ) -> list[Prediction]:
    _, variables = run.trained(phase)
    return [
      Prediction(*map(np.asarray, compiled(variables, x))) for x in images
    ]

  return predict


def shown_score(run: run_lib.Run) -> str:
  """The score whose map is shown; a random one has none."""
  score = run.config.acquire.score
  return score if score in scores.NAMES else 'entropy'
