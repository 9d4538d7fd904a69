"""Loads a trained model from a workdir."""

import dataclasses
import os

from pointsup_jax import errors
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.data import domains
from pointsup_jax.hosts import progress
from pointsup_jax.models import deeplab
from pointsup_jax.run import config_file, context, trained_models
from pointsup_jax.run import workdir as workdir_lib
from pointsup_jax.training import checkpoint
from pointsup_jax.types import Variables


@dataclasses.dataclass(frozen=True)
class Loaded:
  """A trained model and its origin."""

  run: context.Run
  phase: str  # `run.trained_models.Model.name`
  network: str  # `run.context.Run.network`
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
    """The evaluation size (height, width); without one, the target's."""
    data = self.run.config.data
    domain = data.evaluation if domains.has_evaluation(data) else data.target
    height, width = domain.size
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
  lost = trained_models.lost(opened.workdir, opened.config)
  if not there or (phase is not None and phase not in there):
    known = f'it has those of {", ".join(there)}' if there else ''
    gone = '; '.join(lost.values() if phase is None else [lost.get(phase, '')])
    raise errors.UsageError(
      f'{folder} has no model of {phase or "any phase"}; '
      + ('; '.join(filter(None, [known, gone])) or 'train one first')
    )
  chosen = phase or next(iter(there))
  kept = checkpoint.steps_in(there[chosen].checkpoints)
  if step is not None and step not in kept:
    raise errors.UsageError(
      f'{folder} has no checkpoint of {chosen} at step {step}; it has those at '
      f'{", ".join(map(str, kept))}'
    )
  for line in lost.values():
    progress.say(f'note: {line}')
  step, variables = opened.trained(there[chosen], step)
  return Loaded(
    opened,
    chosen,
    opened.network(there[chosen]),
    trained_models.is_finished(opened.workdir, there[chosen]),
    step,
    opened.segmenter(),
    variables,
  )
