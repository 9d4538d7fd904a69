"""train.on_nan='rollback': skips the batches that break a model.

The loop does not wait for the device at every step, so non-finite values are
noticed late, when metrics are logged or the state is saved. A phase therefore
goes back to its last checkpoint twice: to find the step by checking each one,
then to skip its update. Skipped steps are saved before they take effect, so
that a killed run skips the same ones.
"""

import functools
import pathlib
from typing import TypedDict

from etils import epath

from pointsup_jax import errors
from pointsup_jax.hosts import json_files, processes, progress
from pointsup_jax.training import loop

LIMIT = 3  # most consecutive skips; beyond that the model itself is broken


class _Skipped(TypedDict):
  steps: list[json_files.Count]


class Rollback:
  """The steps a phase has `skipped`, and the last one to check (`watched`)."""

  def __init__(
    self, path: pathlib.Path, kept: pathlib.Path | epath.Path
  ) -> None:
    """Reads the skipped steps from `path`; `kept` is its name in messages."""
    self._path, self._kept = path, kept
    self.skipped: set[int] = set()
    self.watched = 0
    self.skipped.update(
      processes.by_first(
        functools.partial(_read, path, kept), 'the steps to be left out'
      )
    )

  def prepare(self, error: loop.Diverged, last: int | None) -> None:
    """Updates `watched` or `skipped` before the next attempt.

    `last` is the step of the last checkpoint, None if there is none. Raises
    errors.UserError if the `LIMIT` batches before were skipped already.
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
  if not path.exists():
    return []
  try:
    known: _Skipped = json_files.read(path, json_files.shaped(_Skipped))
  except errors.UserError as error:
    raise errors.UserError(
      f'{kept} names the steps to be left out, which are found anew without '
      f'it: {error}'
    ) from error
  return known['steps']
