"""Loads a trained model from a workdir."""

import dataclasses
import os

from pointsup_jax import errors
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.models import deeplab
from pointsup_jax.run import config_file, context, trained_models
from pointsup_jax.run import workdir as workdir_lib
from pointsup_jax.training import checkpoint
from pointsup_jax.types import Variables


@dataclasses.dataclass(frozen=True)
class Loaded:
  """A trained segmenter and its origin."""

  run: context.Run
  phase: str  # `run.trained_models.Loaded.name`
  finished: bool  # whether training is complete
  step: int
  segmenter: deeplab.DeepLabV2
  variables: Variables

  @property
  def classes(self) -> classes_lib.ClassSet:
    """The classes it predicts."""
    return self.run.classes

  @property
  def size(self) -> tuple[int, int]:
    """The evaluation size (height, width)."""
    height, width = self.run.config.data.evaluation.size
    return height, width


def load(
  folder: str | os.PathLike[str],
  phase: str | None = None,
  step: int | None = None,
) -> Loaded:
  """Loads a model from a workdir alone, without changing it.

  Args:
    folder: the workdir.
    phase: a model name of `run.trained_models`; None: the newest trained model.
    step: one of its checkpoints; None: the last.

  Raises:
    errors.UsageError: no such model or run.
    errors.UserError: the model cannot be read.
  """
  opened = config_file.reopen(workdir_lib.named(folder))
  there = {
    model.name: model.phase
    for model in reversed(trained_models.all_of(opened.workdir))
    if trained_models.is_trained(model.phase)
  }
  if not there or (phase is not None and phase not in there):
    raise errors.UsageError(
      f'{folder} has no model of {phase or "any phase"}; '
      + (f'it has those of {", ".join(there)}' if there else 'train one first')
    )
  chosen = phase or next(iter(there))
  kept = checkpoint.steps_in(there[chosen].checkpoints)
  if step is not None and step not in kept:
    raise errors.UsageError(
      f'{folder} has no checkpoint of {chosen} at step {step}; it has those at '
      f'{", ".join(map(str, kept))}'
    )
  step, variables = opened.trained(there[chosen], step)
  return Loaded(
    opened,
    chosen,
    _is_finished(opened.workdir, there[chosen]),
    step,
    opened.segmenter(),
    variables,
  )


def _is_finished(
  workdir: workdir_lib.Workdir, phase: workdir_lib.Phase
) -> bool:
  if phase == workdir.source_only:  # the next phase starts when it ends
    return workdir.uda.checkpoints.is_dir()
  return (phase.root / 'DONE').exists()
