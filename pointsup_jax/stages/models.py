"""The models that a run leaves, in the order of their training."""

from typing import NamedTuple

from pointsup_jax.stages import workdir as workdir_lib


class Model(NamedTuple):
  """A training phase whose result is worth scoring."""

  name: str  # of its scores: evaluate/<name>-<split>.json
  column: str  # of the table
  phase: workdir_lib.Phase


def of(workdir: workdir_lib.Workdir) -> list[Model]:
  """All models that there may be, trained or not."""
  rounds = sorted(
    int(path.name.removeprefix('round_'))
    for path in workdir.adapt.root.glob('round_*')
    if path.name.removeprefix('round_').isdecimal()
  )
  return [
    Model('source_only', 'no adaptation', workdir.source_only),
    Model('uda', 'UDA', workdir.uda),
    *(
      Model(
        f'adapt_round_{number}',
        f'points, round {number}',
        workdir_lib.Phase(workdir.adapt.root / f'round_{number}'),
      )
      for number in rounds
    ),
    Model('adapt', 'points', workdir.adapt),
  ]
