"""The models of a run, in the order of their training."""

from typing import NamedTuple

import ml_collections

from pointsup_jax import uda
from pointsup_jax.hosts import processes
from pointsup_jax.run import workdir as workdir_lib
from pointsup_jax.training import checkpoint

UDA = 'UDA'  # column of the model before any answers


class Model(NamedTuple):
  """A training phase whose result is scored."""

  name: str  # scores are in evaluate/<name>-<split>.json
  column: str  # column title in tables
  phase: workdir_lib.Phase


def is_trained(phase: workdir_lib.Phase) -> bool:
  """Whether a phase has a checkpoint; an empty folder does not count."""
  return newest_step(phase) is not None


def newest_step(phase: workdir_lib.Phase) -> int | None:
  """The step of a phase's newest checkpoint, None if there is none."""
  return checkpoint.newest_step(phase.checkpoints)


def is_finished(workdir: workdir_lib.Workdir, phase: workdir_lib.Phase) -> bool:
  """Whether a phase has been trained to its end."""
  if phase == workdir.source_only:  # the next phase starts when it ends
    return workdir.uda.checkpoints.is_dir() or workdir.done('uda').exists()
  return (phase.root / 'DONE').exists()


def lost(
  workdir: workdir_lib.Workdir, config: ml_collections.ConfigDict
) -> dict[str, str]:
  """The finished models whose last checkpoint is gone, with what to do.

  Other models, or older steps, would take their place unnoticed.
  """
  steps = {
    'source_only': config.uda.source_only_steps,
    'uda': config.uda.steps,
  }
  found = {}
  for name, _, phase in all_of(workdir):
    if config.uda.predictions and phase == workdir.uda:
      continue  # it never had one
    wanted, newest = steps.get(name, config.adapt.steps), newest_step(phase)
    if (newest or 0) < wanted and is_finished(workdir, phase):
      stage = workdir.uda if name == 'source_only' else phase
      left = f' (step {newest} is left)' if newest else ''
      found[name] = (
        f'{name} was trained to step {wanted}, but its checkpoint is gone from '
        f'{phase.checkpoints}{left}; restore it, or delete '
        f'{workdir.kept(stage.root / "DONE")} and run --stage=all to train it '
        'again'
      )
  return found


def all_of(workdir: workdir_lib.Workdir) -> list[Model]:
  """All models of a run, trained or not."""
  return [
    Model('source_only', 'no adaptation', workdir.source_only),
    Model('uda', UDA, workdir.uda),
    *with_points(workdir),
  ]


def phases_of_stage_1(
  workdir: workdir_lib.Workdir, config: ml_collections.ConfigDict
) -> list[workdir_lib.Phase]:
  """What stage 1 trains after its source-only phase, in order."""
  return [
    workdir.uda_phase(part.name) for part in uda.phases(config.uda.strategy)
  ]


def strategy_of(
  workdir: workdir_lib.Workdir,
  config: ml_collections.ConfigDict,
  phase: workdir_lib.Phase,
) -> str:
  """The name of the strategy that a phase is trained with."""
  if phase in [model.phase for model in with_points(workdir)]:
    return str(config.adapt.strategy)
  for part in uda.phases(config.uda.strategy):
    if phase == workdir.uda_phase(part.name):
      return part.strategy
  return 'source_only'


def with_points(workdir: workdir_lib.Workdir) -> list[Model]:
  """The models trained with points, one per round."""
  return [
    *(
      Model(f'adapt_round_{r}', f'round {r}', workdir.at(r).adapt)
      for r in range(1, workdir.rounds)
    ),
    Model('adapt', 'points', workdir.at(workdir.rounds).adapt),
  ]


def forget_scores(
  workdir: workdir_lib.Workdir, phase: workdir_lib.Phase
) -> None:
  """Has the first process delete all scores of a phase that is trained anew."""
  for model in all_of(workdir):
    if model.phase == phase and processes.is_first():
      for path in workdir.all_evaluations(model.name):
        path.unlink()
