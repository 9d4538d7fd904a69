"""Checkpoints of a training phase, stored by Orbax."""

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
from pointsup_jax.training import checksums, learner, orbax_manager
from pointsup_jax.types import Variables

T = TypeVar('T')

# Seconds for a host to see another's writes: twice the time for which NFS
# clients cache a folder by default (acdirmax).
VISIBLE = 120.0
# Seconds that processes wait for each other in a save.
SLOWEST_SAVE = 1800

# Orbax raises these for damaged steps and failed writes; TensorStore reports a
# full disk as a ValueError.
_FAILED = (ValueError, KeyError, OSError)


class Checkpoints:
  """The saved steps of one folder. Saving is asynchronous and atomic.

  A step has two items, 'segmenter' and 'training' (all the rest), so that the
  segmenter can be read without knowing its training strategy. Checksums of the
  files are written before Orbax names a step, so every complete step has them.

  Data streams and random keys are not stored: both are functions of the seed
  and the step (`data.pipeline.stream`).
  """

  def __init__(
    self,
    directory: pathlib.Path | epath.Path,
    *,
    keep: int = 0,
    keep_every: int = 0,
    before_save: Callable[[], None] = lambda: None,
  ) -> None:
    """Opens a folder, which need not exist.

    Args:
      directory: the phase's checkpoints.
      keep: how many of the latest steps to keep; 0: only read.
      keep_every: also keep multiples of this step; 0: none.
      before_save: called before each save, to store the metrics up to it.
    """
    policies = ocp.checkpoint_managers
    preserved = [policies.LatestN(keep or None)]
    if keep_every:
      preserved.append(policies.EveryNSteps(keep_every))
    # On object stores absolute() would name a local folder, and errors have no
    # common base.
    local = isinstance(directory, pathlib.Path)
    self._directory = directory.absolute() if local else directory
    self._failed = _FAILED if local else (Exception,)
    self._before_save = before_save
    self._saving: int | None = None
    sys.unraisablehook = orbax_manager.but_late_writes(sys.__unraisablehook__)
    self._is_reported = False
    self._manager = orbax_manager.Manager(
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
          barrier_sync_fn=orbax_manager.wait_unless_failed,
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
    """The newest complete step, None if there is none."""
    return self._manager.latest_step()

  def save(self, state: learner.State) -> None:
    """Starts saving a state, which may be donated at once."""
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
    """Waits until all processes see the first one's steps, else UserError."""
    there = processes.by_first(
      lambda: list(self._manager.all_steps()), 'the list of checkpoints'
    )
    mine = self._other_steps(there)
    for trouble in processes.from_each(mine, 'the list of checkpoints'):
      if trouble:
        raise errors.UserError(trouble)

  def _other_steps(self, there: list[int]) -> str:
    """An error message if this process does not see these steps, else ''."""
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
    """Runs in Orbax's thread once the files are complete."""
    if processes.is_first():
      step = self._directory / str(self._saving)
      unnamed = step.with_name(step.name + ocp.path.atomicity.TMP_DIR_SUFFIX)
      # Object stores cannot rename: there a step is written in its place.
      checksums.write(step if step.is_dir() else unnamed)

  @contextlib.contextmanager
  def _reported(self) -> Iterator[None]:
    """Turns write errors, also of an earlier save, into one-line UserErrors."""
    try:
      yield
    except (errors.UserError, jax.errors.JaxRuntimeError):
      raise
    except self._failed as error:
      self._is_reported = True
      raise errors.UserError(
        f'checkpoint {self._directory}/{self._saving} could not be written '
        f'({_first_line(error)}); fix that and run the same command again: it '
        'continues from the last one that was'
      ) from error

  def restore(self, abstract: learner.State) -> learner.State | None:
    """Restores the newest undamaged state; None if none was saved.

    Deletes newer steps that fail their checksums; training writes them again.
    `abstract` holds the state's shapes, dtypes and shardings.

    Raises:
      errors.UserError: it cannot be read, or all are damaged.
    """
    with self._reported():
      self._manager.wait_until_finished()
    if self.latest_step is None:
      return None
    restored_step, restored = self._restore_newest(
      {
        'segmenter': abstract.segmenter,
        'training': abstract.replace(segmenter={}),
      }
    )
    for step in list(self._manager.all_steps()):
      if step > restored_step:
        self._manager.delete(step)
    return restored['training'].replace(segmenter=restored['segmenter'])

  def restore_segmenter(
    self, abstract: Variables, step: int | None = None, player: str = ''
  ) -> tuple[int, Variables]:
    """Restores a step's segmenter (default: newest undamaged), with the step.

    With `player`, it is the copy of the segmenter that this player is.

    Raises:
      errors.UserError: there is none, it is damaged or cannot be read.
    """
    items: dict[str, Any] = {'segmenter': abstract}
    if player:
      items = {'training': {'opponents': {player: {'params': abstract}}}}
    if step is None:
      step, restored = self._restore_newest(items, partly=bool(player))
    else:
      self._require_undamaged(step, tuple(items))
      restored = self._read(step, items, partly=bool(player))
    if player:
      return step, restored['training']['opponents'][player]['params']
    return step, restored['segmenter']

  def _require_undamaged(self, step: int, items: tuple[str, ...]) -> None:
    if damage := self._known_damage(step, items):
      folder = self._directory / str(step)
      raise errors.UserError(
        f'checkpoint {folder} is damaged ({damage}); delete that folder, or '
        'take another step'
      )

  def _restore_newest(
    self, items: dict[str, Any], *, partly: bool = False
  ) -> tuple[int, dict[str, Any]]:
    """The newest step that passes its checksums, and its items.

    A failed read is not damage: the disk may be away for a while.
    """
    reason = 'there is none'
    for step in sorted(self._manager.all_steps(), reverse=True):
      damage = self._known_damage(step, tuple(items))
      if damage is None:
        return step, self._read(step, items, partly=partly)
      reason = f'{step}: {damage}'
      progress.say(
        f'checkpoint {self._directory}/{step} is damaged, trying an older one: '
        f'{damage}'
      )
    raise errors.UserError(
      f'no checkpoint in {self._directory} can be used ({reason}); restore '
      'one, or delete that folder and the DONE beside it, to train it again'
    )

  def _known_damage(self, step: int, items: tuple[str, ...]) -> str | None:
    """The first process's `_damage`, on all processes."""
    return processes.by_first(
      functools.partial(self._damage, step, items),
      f'the checksums of checkpoint {step}',
    )

  def _damage(self, step: int, items: tuple[str, ...]) -> str | None:
    """What fails a step's checksums, None if nothing does."""
    folder = self._directory / str(step)
    try:
      return checksums.damage(folder, items)
    except Exception as error:  # object stores raise what they like
      raise self._unreadable(step, _first_line(error)) from error

  def _read(self, step: int, items: dict, *, partly: bool) -> dict[str, Any]:
    """Reads a step's items; fails on all processes if it fails on one.

    Stored arrays that an item lacks are an error, unless it is read `partly`.
    """
    restored: dict[str, Any] = {}
    trouble = ''
    # The manager would wait for the other processes even if one has failed.
    try:
      with contextlib.closing(ocp.PyTreeCheckpointHandler()) as handler:
        for name, item in items.items():
          restored[name] = handler.restore(
            self._directory / str(step) / name,
            args=ocp.args.PyTreeRestore(
              item,
              ocp.checkpoint_utils.construct_restore_args(item),
              partial_restore=partly,
            ),
          )
          # Orbax hands back what a part asks for and the step does not have.
          found = jax.tree.leaves(restored[name])
          if not all(isinstance(x, jax.Array) for x in found):
            raise ValueError(f'there is no {_first_path(item)} in it')
    except jax.errors.JaxRuntimeError:
      raise
    except self._failed as error:
      trouble = _first_line(error)
    said = processes.from_each(trouble, f'checkpoint {step} to be read')
    for index, trouble in enumerate(said):
      if trouble:
        who = f'process {index}: ' if len(said) > 1 else ''
        raise self._unreadable(step, f'{who}{trouble}')
    return restored

  def _unreadable(self, step: int, reason: str) -> errors.UserError:
    folder = self._directory / str(step)
    return errors.UserError(
      f'checkpoint {folder} could not be read ({reason}), though no checksum '
      'says that it is damaged; nothing was deleted: fix that and run the '
      f'same command again, or delete {folder} to go on from an older one'
    )


def steps_in(directory: pathlib.Path | epath.Path) -> list[int]:
  """The complete steps in a folder, oldest first.

  Unlike `Checkpoints`, it does not change the folder or start the devices.
  """
  if not directory.is_dir():
    return []
  return sorted(ocp.utils.checkpoint_steps(directory))


def newest_step(directory: pathlib.Path | epath.Path) -> int | None:
  """The newest complete step in a folder, None if there is none."""
  return max(steps_in(directory), default=None)


def _first_path(item: Any) -> str:
  """The names that lead to the first array of an item."""
  path, _ = jax.tree_util.tree_leaves_with_path(item)[0]
  return jax.tree_util.keystr(path, simple=True, separator='/')


def _first_line(error: Exception) -> str:
  line = wording.first_line(error)
  # TensorStore names the file several times before the reason.
  point = re.search(r'([^:]+) \[os_error_code=', line)
  return point[1].strip() if point else line


def abstract(tree: T, sharding: jax.sharding.Sharding) -> T:
  """Shapes and dtypes of a tree of arrays, with `sharding`, for `restore`."""
  return jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), tree
  )
