"""The training loop: dispatch a step, keep the device busy, save, log."""

import math
import time
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp

from pointsup_jax import errors, progress, stop
from pointsup_jax.training import checkpoint, learner, metrics_log
from pointsup_jax.types import Metrics, Pair

TrainStep = Callable[[learner.State, Pair], tuple[learner.State, Metrics]]


def train(
  train_step: TrainStep,
  state: learner.State,
  batches: Iterator[Pair],
  *,
  title: str,
  steps: int,
  checkpoints: checkpoint.Checkpoints,
  checkpoint_every: int,
  log: metrics_log.MetricsLog,
  log_every: int,
) -> learner.State:
  """Trains from the state's step to `steps`, saving the last state.

  Args:
    train_step: compiled; it may donate the state.
    state: fresh or restored.
    batches: on the devices, the first one being that of the state's step.
    title: names the phase to the user.
    steps: the phase's length.
    checkpoints: where states go.
    checkpoint_every: steps between two of them.
    log: where metrics go.
    log_every: steps between two of them.

  Returns:
    The state after `steps`.

  Raises:
    errors.Stopped: after saving, if the user asked to stop.
    errors.UserError: if a loss is not finite.
  """
  start = int(state.step)
  pending = _Pending(log, checkpoints)
  with progress.Progress(title, steps, start=start, unit='step') as bar:
    bar.note('compiling the step')
    began = time.monotonic()
    for step in range(start + 1, steps + 1):
      state, metrics = train_step(state, next(batches))
      if step == start + 1:
        jax.block_until_ready(metrics)  # so that the rate excludes compiling
        bar.note(f'first step after {time.monotonic() - began:.0f} s')
      # The metrics before these are complete by now: no wait for the device.
      bar.update(step, pending.write())
      if step % log_every == 0 or step == steps:
        pending.put(step, metrics)
      if step % checkpoint_every == 0 or step == steps or stop.requested():
        bar.update(step, pending.write())
        require_finite(state, step, checkpoints)
        checkpoints.save(state)
        if step < steps:
          stop.check()
  return state


@jax.jit
def _all_finite(tree) -> jax.Array:
  return jnp.all(
    jnp.array([jnp.isfinite(x).all() for x in jax.tree.leaves(tree)])
  )


def require_finite(
  state: learner.State, step: int, checkpoints: checkpoint.Checkpoints
) -> None:
  """Raises errors.UserError rather than let a broken model be saved.

  The losses do not tell: they are those before the step's update.
  """
  if not _all_finite(state.segmenter):
    raise _diverged('the segmenter', step, checkpoints)


def _diverged(
  what: str, step: int, checkpoints: checkpoint.Checkpoints
) -> errors.UserError:
  last = checkpoints.latest_step
  saved = 'none was saved' if last is None else f'it is step {last}'
  return errors.UserError(
    f'{what} is not finite at step {step}; the last good checkpoint: {saved}; '
    'lower optim.lr and start anew with --overwrite'
  )


class _Pending:
  """Metrics that were dispatched but not yet read."""

  def __init__(
    self, log: metrics_log.MetricsLog, checkpoints: checkpoint.Checkpoints
  ) -> None:
    self._log, self._checkpoints = log, checkpoints
    self._item: tuple[int, Metrics] | None = None
    self._began = time.monotonic()

  def put(self, step: int, metrics: Metrics) -> None:
    self._item = step, metrics

  def write(self) -> str | None:
    """Logs what is pending and returns it as text for the progress bar."""
    if self._item is None:
      return None
    step, metrics = self._item
    self._item = None
    values = {name: float(x) for name, x in jax.device_get(metrics).items()}
    bad = [name for name, value in values.items() if not math.isfinite(value)]
    if bad:
      raise _diverged(', '.join(bad), step, self._checkpoints)
    self._log.write(
      step, {**values, 'seconds': round(time.monotonic() - self._began, 3)}
    )
    return '  '.join(f'{name} {value:.3f}' for name, value in values.items())
