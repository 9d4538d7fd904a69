"""Carries people's answers from one run to another, and what else stays."""

import pathlib
import shutil
from collections.abc import Callable, Sequence

from pointsup_jax import errors
from pointsup_jax.annotation import facts, schema
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.hosts import progress
from pointsup_jax.run import config_file, drawn_points
from pointsup_jax.run import context as run_lib
from pointsup_jax.run import workdir as workdir_lib


def put_aside(
  workdir: workdir_lib.Workdir, fill: Callable[[pathlib.Path], None]
) -> pathlib.Path:
  """Makes a folder in earlier/, a workdir with the run's config.json.

  `fill` gets its temporary name; the folder is complete or absent.
  """
  part = workdir.earlier / 'part'  # left by a killed process
  shutil.rmtree(part, ignore_errors=True)
  part.mkdir(parents=True)
  shutil.copy(workdir.config, part)
  fill(part)
  return part.rename(
    workdir.earlier / str(1 + max(_numbers(workdir), default=0))
  )


def keep_answers(workdir: workdir_lib.Workdir) -> pathlib.Path:
  """Puts a copy of the run's store aside, and returns its folder."""

  def fill(part: pathlib.Path) -> None:
    copy = workdir_lib.Workdir(part).annotations
    copy.parent.mkdir()
    schema.copy(workdir.annotations, copy)

  return put_aside(workdir, fill)


def earlier(workdir: workdir_lib.Workdir) -> list[workdir_lib.Workdir]:
  """The earlier runs whose answers were kept, oldest first."""
  kept = [
    workdir_lib.Workdir(workdir.earlier / str(number))
    for number in sorted(_numbers(workdir))
  ]
  return [folder for folder in kept if folder.annotations.exists()]


def _numbers(workdir: workdir_lib.Workdir) -> list[int]:
  if not workdir.earlier.exists():
    return []
  names = [path.name for path in workdir.earlier.iterdir()]
  return [int(name) for name in names if name.isdecimal()]


def facts_of(
  workdir: workdir_lib.Workdir, ours: Sequence[str]
) -> list[facts.Fact]:
  """People's answers in a run, which may be anybody's, for the classes `ours`.

  Raises:
    errors.UserError: there is no run with a store, or it is damaged.
  """
  if not (workdir.config.is_file() and workdir.annotations.is_file()):
    raise errors.UserError(
      f'{workdir} is not a run that has asked for points: it needs config.json '
      'and acquire/annotations.sqlite'
    )
  theirs = config_file.recorded_classes(workdir)
  with store_lib.Store(
    workdir.annotations, connect=schema.connect_to_copy
  ) as store:
    return facts.read(store, theirs, ours)


def take_in_earlier(run: run_lib.Run, store: store_lib.Store) -> None:
  """Records the answers of earlier runs in this workdir, asked here or not.

  Says how many, and how many do not fit this run and why.
  """
  last: dict[tuple, facts.Fact] = {}
  for folder in earlier(run.workdir):
    try:
      found = facts_of(folder, run.classes.names)
    except errors.UserError as error:
      progress.say(f'note: answers of an earlier run are left out: {error}')
      continue
    for fact in found:  # a later run has taken in, and may have corrected them
      key = (fact.image, fact.row, fact.col, fact.size, fact.annotator)
      last.pop(key, None)
      last[key] = fact
  if not last:
    return
  judged = facts.judge(store, last.values(), drawn_points.adding(run, store))
  facts.record(store, judged)
  if judged.new:
    progress.say(
      f'{len(judged.new)} answers of people carried over from earlier runs, '
      f'{len(judged.points)} of them at points that are not asked now'
    )
  for line in facts.refusals(judged):
    progress.say(f'not carried over: {line}; kept in {run.workdir.earlier}')
