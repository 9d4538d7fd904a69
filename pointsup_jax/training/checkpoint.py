"""Checkpoints of a training phase; the only module that knows Orbax."""

import pathlib
import types

import jax
import orbax.checkpoint as ocp
from absl import logging

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
    policies = ocp.checkpoint_managers
    self._manager = ocp.CheckpointManager(
      directory.absolute(),
      options=ocp.CheckpointManagerOptions(
        preservation_policy=policies.LatestN(keep),
        cleanup_tmp_directories=True,
        enable_async_checkpointing=True,
      ),
    )

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
    """The newest state that can be read, or None.

    Args:
      abstract: the state's shapes, types and shardings.
    """
    restored = self._restore_newest(
      segmenter=abstract.segmenter, training=abstract.replace(segmenter={})
    )
    if restored is None:
      return None
    return restored['training'].replace(segmenter=restored['segmenter'])

  def restore_segmenter(self, abstract: Variables) -> tuple[int, Variables]:
    """The newest segmenter that can be read, with its step."""
    restored = self._restore_newest(segmenter=abstract)
    if restored is None:
      raise FileNotFoundError(f'no checkpoint in {self._manager.directory}')
    return restored.step, restored['segmenter']

  def _restore_newest(self, **items):
    for step in sorted(self._manager.all_steps(), reverse=True):
      args = {k: ocp.args.StandardRestore(v) for k, v in items.items()}
      try:
        restored = self._manager.restore(step, args=ocp.args.Composite(**args))
      except _DAMAGED as error:
        logging.warning(
          'checkpoint %s/%d cannot be read, trying an older one: %s',
          self._manager.directory,
          step,
          str(error).splitlines()[0],
        )
        continue
      return _Restored(step, dict(restored.items()))
    return None


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
