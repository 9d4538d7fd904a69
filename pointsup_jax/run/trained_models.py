"""The models that a run leaves, in the order of their training."""

from typing import NamedTuple

from pointsup_jax.run import workdir as workdir_lib
from pointsup_jax.training import checkpoint


class Model(NamedTuple):
  """A training phase whose result is worth scoring."""

  name: str  # of its scores: evaluate/<name>-<split>.json
  column: str  # of the table
  phase: workdir_lib.Phase


def is_trained(phase: workdir_lib.Phase) -> bool:
  """Whether a phase has a checkpoint; a folder for them comes before."""
  return checkpoint.newest_step(phase.checkpoints) is not None


def of(workdir: workdir_lib.Workdir) -> list[Model]:
  """All models of a run, whether or not they are trained already."""
  return [
    Model('source_only', 'no adaptation', workdir.source_only),
    Model('uda', 'UDA', workdir.uda),
    *of_points(workdir),
  ]


def of_points(workdir: workdir_lib.Workdir) -> list[Model]:
  """Those of them that have learned from points, one a round."""
  last = workdir.rounds
  return [
    *(
      Model(f'adapt_round_{r}', f'round {r}', workdir.at(r).adapt)
      for r in range(1, last)
    ),
    Model('adapt', 'points', workdir.at(last).adapt),
  ]
