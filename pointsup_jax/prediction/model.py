"""A trained model, taken from a workdir to be used."""

import dataclasses
import pathlib

from pointsup_jax import errors
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.models import deeplab
from pointsup_jax.stages import reopen, run
from pointsup_jax.stages import workdir as workdir_lib
from pointsup_jax.types import Variables

# The phases of a run that leave a model, best first.
PHASES = ('adapt', 'uda', 'source_only')


@dataclasses.dataclass(frozen=True)
class Model:
  """A trained segmenter and where it comes from."""

  run: run.Run
  phase: str
  step: int
  segmenter: deeplab.DeepLabV2
  variables: Variables

  @property
  def classes(self) -> classes_lib.ClassSet:
    """What it tells apart."""
    return self.run.classes

  @property
  def size(self) -> tuple[int, int]:
    """Height and width at which it is evaluated."""
    height, width = self.run.config.data.evaluation.size
    return height, width

  @property
  def finished(self) -> bool:
    """Whether its training has come to its end."""
    if self.phase == 'source_only':  # the next phase starts from its end
      return self.run.workdir.uda.checkpoints.is_dir()
    return self.run.workdir.done(self.phase).exists()


def load(root: pathlib.Path, phase: str | None = None) -> Model:
  """The newest model of a workdir, or that of a phase.

  Nothing but the workdir is needed, and nothing in it is changed.

  Args:
    root: the workdir.
    phase: one of `PHASES`; None: the first of them that has a model.

  Raises:
    errors.UsageError: there is no such model, or no run at all.
    errors.UserError: it cannot be read.
  """
  opened = reopen.reopen(workdir_lib.Workdir(root))
  there = [name for name in PHASES if _has_model(getattr(opened.workdir, name))]
  if not there or (phase is not None and phase not in there):
    raise errors.UsageError(
      f'{root} has no model of {phase or "any phase"}; '
      + (f'it has those of {", ".join(there)}' if there else 'train one first')
    )
  phase = phase or there[0]
  step, variables = opened.trained(getattr(opened.workdir, phase))
  return Model(opened, phase, step, opened.segmenter(), variables)


def _has_model(phase: workdir_lib.Phase) -> bool:
  """Whether a checkpoint is complete; Orbax names such folders by the step."""
  return phase.checkpoints.is_dir() and any(
    path.name.isdigit() for path in phase.checkpoints.iterdir()
  )
