"""Opens the stages of a run again whose config asks for more points."""

import dataclasses
import os
import pathlib

import ml_collections

from pointsup_jax import errors
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.hosts import progress
from pointsup_jax.run import (
  answers_used,
  carrying,
  config_file,
  trained_models,
)
from pointsup_jax.run import workdir as workdir_lib


def open_again(
  workdir: workdir_lib.Workdir,
  config: ml_collections.ConfigDict,
  classes: classes_lib.ClassSet,
) -> None:
  """Makes stages 2 and 3 ask for more, if the config has grown.

  With more rounds, what was the last round becomes an earlier one. Else stage 2
  of the last round goes on, and stage 3's model is put into earlier/.

  Raises:
    errors.UsageError: the config does not fit, or stage 3 is unfinished.
  """
  if not workdir.config.exists():
    return
  fields = config_file.require_same(workdir, config, classes)
  known = config_file.recorded(workdir)
  grown = config_file.grown(known, fields)
  if not grown:
    return
  rounds = known['acquire.rounds']
  last = dataclasses.replace(workdir, rounds=rounds, round=rounds)
  trained = last.begun('adapt')
  if not trained and not last.done('acquire').exists():
    return  # the rounds that are still to come ask for what is more
  if grown == ['acquire.rounds']:
    raise errors.UsageError(
      f'acquire.rounds was {rounds}, now {workdir.rounds}, but round {rounds} '
      'has asked for everything: raise acquire.k or acquire.budget too, which '
      'all rounds share'
    )
  what = ', '.join(f'{x} was {known[x]}, now {fields[x]}' for x in grown)
  if trained and not last.done('adapt').exists():
    raise errors.UsageError(
      f'{what}, but stage 3 has begun with fewer points: finish it with the '
      f'config it began with, or delete {answers_used.to_delete(last)}'
    )
  if trained and workdir.mirror:
    raise errors.UsageError(
      f'{what}, but a trained model cannot be moved in an object store: delete '
      f'{answers_used.to_delete(last)} to train stage 3 anew with more points'
    )
  trained_models.forget_scores(last, last.adapt)
  if workdir.rounds > rounds:
    now = workdir.at(rounds)
    _move(last.stage('adapt'), now.stage('adapt'))
    for stage in ('annotate', 'acquire'):
      if last.done(stage).exists():
        now.stage(stage).mkdir(parents=True, exist_ok=True)
        os.replace(last.done(stage), now.done(stage))
    then = f'a round after round {rounds} asks for the rest'
  else:
    then = 'stage 2 goes on'
    if trained:
      kept = _put_aside(last)
      then += f', stage 3 is trained anew, and its model so far is in {kept}'
    # In this order: if killed, this is done again.
    for stage in ('annotate', 'acquire'):
      last.done(stage).unlink(missing_ok=True)
  progress.say(f'{what}: {then}; all answers stay')


def _put_aside(last: workdir_lib.Workdir) -> pathlib.Path:
  folder = carrying.put_aside(last, lambda part: (part / 'adapt').mkdir())
  _move(last.stage('adapt'), folder / 'adapt')
  return folder


def _move(source: pathlib.Path, target: pathlib.Path) -> None:
  """Moves a round's own files; DONE goes last, so the rest can be repeated."""
  if not source.exists():
    return
  target.mkdir(parents=True, exist_ok=True)
  own = (x for x in source.iterdir() if not x.name.startswith('round_'))
  for path in sorted(own, key=lambda path: path.name == 'DONE'):
    os.replace(path, target / path.name)
