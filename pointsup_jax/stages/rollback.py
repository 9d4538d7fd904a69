"""Leaving out the batches that break a model: train.on_nan='rollback'.

That something is not finite is noticed late, where metrics are logged or the
state is saved, because the loop does not wait for the device at every step. So
a phase goes back to its last checkpoint twice: to find the step, by looking at
each, and to pass it without an update. Which steps are left out is on disk
before it counts, and each is the first to break the model given those before
it: a run that was killed at any moment leaves out the same ones.
"""

import functools
import pathlib

from etils import epath

from pointsup_jax import errors
from pointsup_jax.hosts import json_files, processes, progress
from pointsup_jax.training import loop

LIMIT = 3  # steps in a row; a model that breaks at every batch is broken itself


class Rollback:
  """The steps that a phase leaves out.

  Attributes:
    skipped: these steps.
    watched: the step up to which each is looked at.
  """

  def __init__(
    self, path: pathlib.Path, kept: pathlib.Path | epath.Path
  ) -> None:
    """Reads what a run before this one has left out.

    Args:
      path: the phase's file of them.
      kept: what the user knows it by; see `Workdir.kept`.
    """
    self._path, self._kept = path, kept
    self.skipped: set[int] = set()
    self.watched = 0
    self.skipped.update(
      processes.decided(
        functools.partial(_read, path, kept), 'the steps to be left out'
      )
    )

  def prepare(self, error: loop.Diverged, last: int | None) -> None:
    """Decides how the phase is to be continued from its last checkpoint.

    Args:
      error: what ended the attempt before.
      last: the step of the last checkpoint, None where there is none.

    Raises:
      errors.UserError: leaving out batches does not help.
    """
    last = last or 0
    if error.step > self.watched:
      self.watched = error.step
      progress.say(
        f'not finite at step {error.step}: {error.what}; goes back to step '
        f'{last} to find the batch'
      )
      return
    before = range(error.step - LIMIT, error.step)
    if self.skipped.issuperset(before):
      raise errors.UserError(
        f'not finite at step {error.step}: {error.what}, although the {LIMIT} '
        'batches before it were left out; the last good checkpoint: it is step '
        f'{last}; lower optim.lr and start anew with --overwrite'
      )
    self.skipped.add(error.step)
    if processes.is_first():
      json_files.write(self._path, {'steps': sorted(self.skipped)})
    progress.say(
      f'not finite after the batch of step {error.step}: {error.what}; goes '
      f'back to step {last} and leaves it out ({self._kept})'
    )


def _read(path: pathlib.Path, kept: object) -> list[int]:
  """The steps that were left out before; none where there is no file."""
  if not path.exists():
    return []
  try:
    return [int(step) for step in json_files.read(path)['steps']]
  except (ValueError, KeyError, TypeError) as error:
    raise errors.UserError(
      f'{kept} is damaged ({error}); it names the steps to be left out: '
      'mend it, or delete it to find them anew'
    ) from error
