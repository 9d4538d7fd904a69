"""What the models make of the report's images.

The first process makes the report. A model runs on the devices of all: they
follow the first one through the images that it looks at.
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


class Seen(NamedTuple):
  """What a model makes of an image."""

  prediction: np.ndarray  # [H, W] uint8
  entropy: np.ndarray  # [H, W] float32
  score: np.ndarray  # [H, W] float32, what patches are chosen by


# What a phase's last model makes of images [H, W, 3].
Look: TypeAlias = Callable[
  [workdir_lib.Phase, Sequence[np.ndarray]], list[Seen]
]


@contextlib.contextmanager
def led(run: run_lib.Run) -> Iterator[Look]:
  """Has the other processes `follow` this one, the first, within the block.

  Yields:
    The look; it raises errors.UserError if the model cannot be read.
  """
  own = looker(run)

  def look(
    phase: workdir_lib.Phase, images: Sequence[np.ndarray]
  ) -> list[Seen]:
    where = phase.root.relative_to(run.workdir.root)
    processes.decided(lambda: [where.as_posix(), len(images)], _WHAT)
    try:
      return own(phase, [processes.from_first(x, _WHAT) for x in images])
    except OSError as error:
      # Of this process alone: the others wait for it, and have to be told.
      raise RuntimeError(f'{error}, in {phase.checkpoints}') from error

  try:
    yield look
  finally:
    processes.decided(lambda: None, _WHAT)


def follow(run: run_lib.Run) -> None:
  """Looks at what the first process looks at, until it has seen enough."""
  own = looker(run)
  phases = [model.phase for model in trained_models.of(run.workdir)]
  of_root = {x.root.relative_to(run.workdir.root): x for x in phases}
  while (order := processes.decided(lambda: None, _WHAT)) is not None:
    where, count = order
    nothing = np.zeros(0)
    images = [processes.from_first(nothing, _WHAT) for _ in range(count)]
    with contextlib.suppress(errors.UserError):  # the first one says it
      own(of_root[pathlib.Path(where)], images)


def looker(run: run_lib.Run) -> Look:
  """A look that all processes have to take; compiled once a size."""
  segmenter = run.segmenter()
  shown = shown_score(run)

  def see(variables: Variables, image: Array) -> tuple[jax.Array, ...]:
    height, width, _ = image.shape
    small = inference.small_logits(segmenter, variables, image[None])
    labels, entropy = scores.maps('entropy', small, (height, width))
    _, score = scores.maps(shown, small, (height, width))
    return labels[0], entropy[0], score[0]

  compiled = batches.compiled(run, see)

  def look(
    phase: workdir_lib.Phase, images: Sequence[np.ndarray]
  ) -> list[Seen]:
    _, variables = run.trained(phase)
    return [Seen(*map(np.asarray, compiled(variables, x))) for x in images]

  return look


def shown_score(run: run_lib.Run) -> str:
  """The score whose map is shown; a random one has none."""
  score = run.config.acquire.score
  return score if score in scores.NAMES else 'entropy'
