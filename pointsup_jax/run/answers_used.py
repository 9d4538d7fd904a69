"""Which answers stage 3 was trained with, and whether there are newer ones."""

from typing import NamedTuple, TypedDict

from pointsup_jax import errors
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.hosts import json_files, processes, progress
from pointsup_jax.run import context as run_lib
from pointsup_jax.run import workdir as workdir_lib


class Used(NamedTuple):
  """The answers that a phase of stage 3 began with."""

  last: int  # the highest seq
  answers: int  # points with a label or 'unsure'


class _Recorded(TypedDict):
  last: json_files.Count
  answers: json_files.Count


def of(phase: workdir_lib.Phase) -> Used | None:
  """The answers that a phase began with; None before it has.

  Raises errors.UserError if the file is damaged.
  """
  if not phase.answers.exists():
    return None
  try:
    found = json_files.read(phase.answers, json_files.shaped(_Recorded))
  except errors.UserError as error:
    # Without the file, a stopped phase would go on with other answers.
    raise errors.UserError(
      f'{phase.answers} is damaged; delete {phase.root} to train stage 3 anew'
    ) from error
  return Used(**found)


def remember(phase: workdir_lib.Phase, used: Used) -> None:
  """Records what a phase begins with."""
  json_files.write(phase.answers, used._asdict())


def say_newer(run: run_lib.Run) -> None:
  """Says how to train with answers that stage 3 of this round has not seen."""
  workdir = run.workdir
  if not processes.is_first() or not workdir.annotations.exists():
    return
  used = of(workdir.adapt)
  if used is None:
    return
  with store_lib.Store(workdir.annotations) as store:
    _, newer = store.answers_since(workdir.round, used.last)
  if newer:
    progress.say(
      f'stage 3 began with {used.answers} answers; {newer} points were '
      f'answered since, which it does not see: delete {to_delete(workdir)} to '
      'train it anew with all of them'
    )


def to_delete(workdir: workdir_lib.Workdir) -> str:
  """What to delete to train stage 3 of this round anew."""
  folder = workdir.adapt.root
  # The last round's folder holds those of the others.
  rounds = list(folder.glob('round_*'))
  own = sorted(set(folder.iterdir()) - set(rounds)) if rounds else [folder]
  return ' and '.join(str(workdir.kept(path)) for path in own)
