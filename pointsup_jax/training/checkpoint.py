"""Checkpoints of a training phase; the only module that knows Orbax."""

import pathlib
import types

import jax
import orbax.checkpoint as ocp

from pointsup_jax import errors, progress
from pointsup_jax.training import learner
from pointsup_jax.types import Variables

# What Orbax raises for a step that is damaged in one way or another.
_DAMAGED = (ValueError, FileNotFoundError, KeyError, OSError)


class Checkpoints:
  """The steps in one folder. Saving is asynchronous and atomic.

  A step has two items, so that the segmenter can be read without knowing the
  strategy that trained it: 'segmenter' and 'training' (all the rest).
  """

  def __init__(self, directory: pathlib.Path, *, keep: int = 1) -> None:
    """Opens a folder to write to: what a killed run left half is deleted."""
    policies = ocp.checkpoint_managers
    self._manager = ocp.CheckpointManager(
      directory.absolute(),
      options=ocp.CheckpointManagerOptions(
        preservation_policy=policies.LatestN(keep),
        cleanup_tmp_directories=True,
        enable_async_checkpointing=True,
      ),
    )

  @classmethod
  def to_read(cls, directory: pathlib.Path) -> 'Checkpoints':
    """Opens a folder and leaves it as it is: others may be writing to it."""
    checkpoints = cls.__new__(cls)
    checkpoints._manager = ocp.CheckpointManager(
      directory.absolute(),
      # Not its read_only, of which it warns each time.
      options=ocp.CheckpointManagerOptions(
        create=False, enable_async_checkpointing=False
      ),
    )
    return checkpoints

  def __enter__(self) -> 'Checkpoints':
    return self

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: types.TracebackType | None,
  ) -> None:
    self._manager.wait_until_finished()
    self._manager.close()

  @property
  def latest_step(self) -> int | None:
    """The newest complete step, None where there is none."""
    return self._manager.latest_step()

  def save(self, state: learner.State) -> None:
    """Starts writing a state; it may be donated at once."""
    step = int(state.step)
    if step in self._manager.all_steps():
      return
    training = state.replace(segmenter={})
    self._manager.save(
      step,
      args=ocp.args.Composite(
        segmenter=ocp.args.StandardSave(state.segmenter),
        training=ocp.args.StandardSave(training),
      ),
    )

  def restore(self, abstract: learner.State) -> learner.State | None:
    """The newest state that can be read; None where none was saved.

    Newer ones that are damaged are deleted: training will write them again.

    Args:
      abstract: the state's shapes, types and shardings.

    Raises:
      errors.UserError: none of those saved can be read.
    """
    if self.latest_step is None:
      return None
    restored = self._restore_newest(
      segmenter=abstract.segmenter, training=abstract.replace(segmenter={})
    )
    for step in list(self._manager.all_steps()):
      if step > restored.step:
        self._manager.delete(step)
    return restored['training'].replace(segmenter=restored['segmenter'])

  def restore_segmenter(self, abstract: Variables) -> tuple[int, Variables]:
    """The newest segmenter that can be read, with its step.

    Raises:
      errors.UserError: there is none.
    """
    restored = self._restore_newest(segmenter=abstract)
    return restored.step, restored['segmenter']

  def _restore_newest(self, **items) -> '_Restored':
    reason = 'nothing was saved'
    for step in sorted(self._manager.all_steps(), reverse=True):
      args = {k: ocp.args.StandardRestore(v) for k, v in items.items()}
      try:
        restored = self._manager.restore(step, args=ocp.args.Composite(**args))
      except _DAMAGED as error:
        reason = str(error).splitlines()[0]
        progress.say(
          f'checkpoint {self._manager.directory}/{step} cannot be read, trying '
          f'an older one: {reason}'
        )
        continue
      return _Restored(step, dict(restored.items()))
    raise errors.UserError(
      f'no checkpoint in {self._manager.directory} can be read by this config '
      f'({reason}); delete that folder to train the phase anew'
    )


class _Restored(dict):
  """The items of one step."""

  def __init__(self, step: int, items: dict) -> None:
    super().__init__(items)
    self.step = step


def abstract(tree, sharding: jax.sharding.Sharding):
  """Shapes and types of a tree, placed by `sharding`; for `restore`."""
  return jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), tree
  )
