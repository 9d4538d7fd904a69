"""Checkpoints of a training phase; the only module that knows Orbax."""

import contextlib
import functools
import pathlib
import re
import sys
import time
import types
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import jax
import orbax.checkpoint as ocp
from etils import epath

from pointsup_jax import errors
from pointsup_jax.hosts import processes, progress, wording
from pointsup_jax.training import checksums, learner
from pointsup_jax.types import Variables

T = TypeVar('T')

# Seconds until a host must see what another has written: twice what an NFS
# client remembers of a folder by default (acdirmax).
VISIBLE = 120.0
# Seconds that the processes wait for each other in a save.
SLOWEST_SAVE = 1800

# What Orbax raises for a step that is damaged in one way or another, and for
# one that cannot be written: TensorStore reports a full disk as a ValueError.
_FAILED = (ValueError, KeyError, OSError)


def _but_late_writes(hook: Callable) -> Callable:
  """Shows what cannot be raised, except writes that end after a failed save.

  TensorStore reports each of them to an event loop that Orbax has closed by
  then. The save's own error says what was wrong.
  """

  def shown(unraisable: Any) -> None:
    if str(unraisable.exc_value) != 'Event loop is closed':
      hook(unraisable)

  return shown


class Checkpoints:
  """The steps in one folder. Saving is asynchronous and atomic.

  A step has two items, so that the segmenter can be read without knowing the
  strategy that trained it: 'segmenter' and 'training' (all the rest). It has
  checksums of their files, written before Orbax gives the step its name: a step
  is there with them or not at all.

  Neither data streams nor random keys are stored: both are functions of the
  seed and the step (`data.pipeline.stream`), so the step is their state.
  """

  def __init__(
    self,
    directory: pathlib.Path | epath.Path,
    *,
    keep: int = 0,
    keep_every: int = 0,
    before_save: Callable[[], None] = lambda: None,
  ) -> None:
    """Opens a folder; it need not exist.

    Args:
      directory: of the phase's checkpoints.
      keep: the last so many steps are kept; 0: nothing is saved, only read.
      keep_every: steps that are multiples of it are kept too; 0: none.
      before_save: brings to safety what goes with a step: the metrics.
    """
    policies = ocp.checkpoint_managers
    preserved = [policies.LatestN(keep or None)]
    if keep_every:
      preserved.append(policies.EveryNSteps(keep_every))
    # In an object store absolute() would name a local folder, and what is
    # raised there has no base in common.
    local = isinstance(directory, pathlib.Path)
    self._directory = directory.absolute() if local else directory
    self._failed = _FAILED if local else (Exception,)
    self._before_save = before_save
    self._saving: int | None = None
    sys.unraisablehook = _but_late_writes(sys.__unraisablehook__)
    self._is_reported = False
    self._manager = _Manager(
      self._directory,
      options=ocp.CheckpointManagerOptions(
        preservation_policy=policies.AnyPreservationPolicy(preserved),
        # A reader must not touch what another process is writing.
        create=keep > 0,
        cleanup_tmp_directories=keep > 0,
        enable_async_checkpointing=True,
        async_options=ocp.AsyncOptions(
          timeout_secs=SLOWEST_SAVE,
          post_finalization_callback=self._write_checksums,
          barrier_sync_fn=_wait_unless_failed,
        ),
      ),
    )
    self._require_same_steps()

  def __enter__(self) -> 'Checkpoints':
    return self

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: types.TracebackType | None,
  ) -> None:
    known = self._is_reported
    try:
      with self._reported():
        self._manager.close()
    except errors.UserError as failed:
      if error is None or isinstance(error, errors.Stopped):
        raise  # a stop promises that everything is saved
      if not known:
        progress.say(str(failed))  # and let through what ended the block

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
    with self._reported():
      # Orbax would wait here too; `_saving` names one step at a time.
      self._manager.wait_until_finished()
      self._before_save()
      self._saving = step
      self._manager.save(
        step,
        args=ocp.args.Composite(
          segmenter=ocp.args.StandardSave(state.segmenter),
          training=ocp.args.StandardSave(training),
        ),
      )

  def _require_same_steps(self) -> None:
    """Waits until all processes see the steps that the first one sees.

    Raises:
      errors.UserError: one does not.
    """
    there = processes.decided(
      lambda: list(self._manager.all_steps()), 'the list of checkpoints'
    )
    mine = self._other_steps(there)
    for trouble in processes.each_says(mine, 'the list of checkpoints'):
      if trouble:
        raise errors.UserError(trouble)

  def _other_steps(self, there: list[int]) -> str:
    """What is wrong if this process does not see these steps; '' if it does."""
    deadline = time.monotonic() + VISIBLE
    while sorted(found := self._manager.all_steps()) != sorted(there):
      if time.monotonic() > deadline:
        return (
          f'{self._directory}: process {jax.process_index()} sees the '
          f'checkpoints {sorted(found)}, the first process {sorted(there)}, '
          f'after {VISIBLE:.0f} s; do all hosts see the same folder?'
        )
      time.sleep(1)
      self._manager.reload()
    return ''

  def _write_checksums(self) -> None:
    """Runs in Orbax's thread, when the files are complete."""
    if processes.is_first():
      step = self._directory / str(self._saving)
      unnamed = step.with_name(step.name + ocp.path.atomicity.TMP_DIR_SUFFIX)
      # Object stores cannot rename: there a step is written in its place.
      checksums.write(step if step.is_dir() else unnamed)

  @contextlib.contextmanager
  def _reported(self) -> Iterator[None]:
    """A full disk and the like in one line, also from a save before."""
    try:
      yield
    except (errors.UserError, jax.errors.JaxRuntimeError):
      raise
    except self._failed as error:
      self._is_reported = True
      raise errors.UserError(
        f'checkpoint {self._directory}/{self._saving} could not be written '
        f'({_first_line(error)}); mend that and run the same command again: it '
        'continues from the last one that was'
      ) from error

  def restore(self, abstract: learner.State) -> learner.State | None:
    """The newest undamaged state; None where none was saved.

    Newer ones, whose files their checksums convict, are deleted: training will
    write them again.

    Args:
      abstract: the state's shapes, types and shardings.

    Raises:
      errors.UserError: it cannot be read, or all are damaged.
    """
    with self._reported():
      self._manager.wait_until_finished()
    if self.latest_step is None:
      return None
    restored_step, restored = self._restore_newest(
      segmenter=abstract.segmenter, training=abstract.replace(segmenter={})
    )
    for step in list(self._manager.all_steps()):
      if step > restored_step:
        self._manager.delete(step)
    return restored['training'].replace(segmenter=restored['segmenter'])

  def restore_segmenter(
    self, abstract: Variables, step: int | None = None
  ) -> tuple[int, Variables]:
    """The segmenter of a step, or the newest undamaged one, with its step.

    Raises:
      errors.UserError: there is none, it is damaged or cannot be read.
    """
    if step is None:
      step, restored = self._restore_newest(segmenter=abstract)
      return step, restored['segmenter']
    if damage := self._known_damage(step, ('segmenter',)):
      folder = self._directory / str(step)
      raise errors.UserError(
        f'checkpoint {folder} is damaged ({damage}); delete that folder, or '
        'take another step'
      )
    return step, self._read(step, {'segmenter': abstract})['segmenter']

  def _restore_newest(self, **items: Any) -> tuple[int, dict[str, Any]]:
    """The newest step that nothing is said against, and its items.

    Only checksums say something against a step. A disk that does not answer
    for a while must not cost the steps that are on it.
    """
    reason = 'nothing was saved'
    for step in sorted(self._manager.all_steps(), reverse=True):
      damage = self._known_damage(step, tuple(items))
      if damage is None:
        return step, self._read(step, items)
      reason = f'{step}: {damage}'
      progress.say(
        f'checkpoint {self._directory}/{step} is damaged, trying an older one: '
        f'{damage}'
      )
    raise errors.UserError(
      f'no checkpoint in {self._directory} can be used ({reason}); delete that '
      'folder to train the phase anew'
    )

  def _known_damage(self, step: int, items: tuple[str, ...]) -> str | None:
    """What the first process finds in the checksums, on all processes."""
    return processes.decided(
      functools.partial(self._damage, step, items),
      f'the checksums of checkpoint {step}',
    )

  def _damage(self, step: int, items: tuple[str, ...]) -> str | None:
    """What the checksums say against a step, None if nothing."""
    folder = self._directory / str(step)
    try:
      return checksums.damage(folder, items)
    except Exception as error:  # object stores raise what they like
      raise self._unreadable(step, _first_line(error)) from error

  def _read(self, step: int, items: dict) -> dict[str, Any]:
    """The items of a step that all processes can read."""
    restored: dict[str, Any] = {}
    trouble = ''
    # Without the manager: it would wait for the other processes after each
    # step, also where one of them has failed.
    try:
      with contextlib.closing(ocp.StandardCheckpointHandler()) as handler:
        for name, item in items.items():
          restored[name] = handler.restore(
            self._directory / str(step) / name,
            args=ocp.args.StandardRestore(item),
          )
    except jax.errors.JaxRuntimeError:
      raise
    except self._failed as error:
      trouble = _first_line(error)
    said = processes.each_says(trouble, f'checkpoint {step} to be read')
    for index, trouble in enumerate(said):
      if trouble:
        who = f'process {index}: ' if len(said) > 1 else ''
        raise self._unreadable(step, f'{who}{trouble}')
    return restored

  def _unreadable(self, step: int, reason: str) -> errors.UserError:
    folder = self._directory / str(step)
    return errors.UserError(
      f'checkpoint {folder} could not be read ({reason}), though no checksum '
      'says that it is damaged; nothing was deleted: mend that and run the '
      f'same command again, or delete {folder} to go on from an older one'
    )


def steps_in(directory: pathlib.Path | epath.Path) -> list[int]:
  """The complete steps in a folder, oldest first.

  For those who only look: `Checkpoints` makes the folder and clears it of what
  was not finished, and starts the devices.
  """
  if not directory.is_dir():
    return []
  return sorted(ocp.utils.checkpoint_steps(directory))


def newest_step(directory: pathlib.Path | epath.Path) -> int | None:
  """The newest complete step in a folder, None where there is none."""
  return max(steps_in(directory), default=None)


class _Manager(ocp.CheckpointManager):
  """Orbax's, which does not look for a stop by itself.

  A look goes by a number on which all processes have to agree. Those of `stop`
  and the steps that Orbax would take for it are different numbers.
  """

  def reached_preemption(self, step: int) -> bool:
    """None that Orbax would have to know of."""
    return False


def _wait_unless_failed(*, key: str, timeout_ms: int) -> None:
  """Orbax's barrier between the processes that write a step.

  Orbax waits for the others in a `finally`, too, where this process has failed:
  they would never come, and nobody would be told.
  """
  if (error := sys.exception()) is not None:
    raise error
  ocp.multihost.get_barrier_sync_fn()(key=key, timeout_ms=timeout_ms)


def _first_line(error: Exception) -> str:
  line = wording.first_line(error)
  # TensorStore names the file several times before it comes to the point.
  point = re.search(r'([^:]+) \[os_error_code=', line)
  return point[1].strip() if point else line


def abstract(tree: T, sharding: jax.sharding.Sharding) -> T:
  """What `restore` needs to know of a tree of arrays: shapes, types, places.

  Args:
    tree: arrays, or their `jax.ShapeDtypeStruct`s.
    sharding: where all of them go.

  Returns:
    The same tree of `jax.ShapeDtypeStruct`s.
  """
  return jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), tree
  )
