"""The models of a run, in the order of their training."""

from typing import NamedTuple

from pointsup_jax.hosts import processes
from pointsup_jax.run import workdir as workdir_lib
from pointsup_jax.training import checkpoint


class Model(NamedTuple):
  """A training phase whose result is scored."""

  name: str  # scores are in evaluate/<name>-<split>.json
  column: str  # column title in tables
  phase: workdir_lib.Phase


def is_trained(phase: workdir_lib.Phase) -> bool:
  """Whether a phase has a checkpoint; an empty folder does not count."""
  return checkpoint.newest_step(phase.checkpoints) is not None


def all_of(workdir: workdir_lib.Workdir) -> list[Model]:
  """All models of a run, trained or not."""
  return [
    Model('source_only', 'no adaptation', workdir.source_only),
    Model('uda', 'UDA', workdir.uda),
    *with_points(workdir),
  ]


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
