"""Training loop: runs steps, logs metrics and saves checkpoints."""

import math
import time
from collections.abc import Callable, Container, Iterator, Mapping

import jax
import jax.numpy as jnp

from pointsup_jax import errors
from pointsup_jax.hosts import progress, stopping
from pointsup_jax.training import checkpoint, learner, metrics_log
from pointsup_jax.types import Metrics, Pair

_ADVICE = (
  'lower optim.lr and start anew with --overwrite, or leave out the batch that '
  'did it with --config.train.on_nan=rollback'
)

TrainStep = Callable[[learner.State, Pair], tuple[learner.State, Metrics]]
# From the number of a step, from 1, to the learning rates of its updates.
Rates = Callable[[int], Mapping[str, float]]


class Diverged(errors.UserError):
  """A loss or part of the state is not finite."""

  def __init__(self, what: str, step: int, last: int | None) -> None:
    saved = 'none was saved' if last is None else f'it is step {last}'
    super().__init__(
      f'not finite at step {step}: {what}; the last good checkpoint: {saved}; '
      f'{_ADVICE}'
    )
    self.what = what
    self.step = step  # where it was noticed


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
  rates: Rates,
  skipped: Container[int] = (),
  watched: int = 0,
) -> learner.State:
  """Trains from the state's step to `steps`, and returns the last state, saved.

  Args:
    train_step: compiled; may donate the state.
    batches: on the devices, starting with that of the state's step.
    title: the phase's name in messages.
    checkpoints: where states go, every `checkpoint_every` steps.
    log: where metrics go, every `log_every` steps.
    rates: logged beside the metrics.
    skipped: steps without an update; their batches are not used.
    watched: up to this step, wait for each and require a finite state.

  Raises:
    errors.Stopped: the user asked to stop; the state is saved.
    Diverged: logged metrics, or a saved or watched state, are not finite.
  """
  start = int(state.step)
  pending = _Pending(log, checkpoints, rates)
  with progress.Progress(title, steps, start=start, unit='step') as bar:
    bar.note('compiling the step')
    for step in range(start + 1, steps + 1):
      advance = _leave_out if step in skipped else train_step
      state, metrics = advance(state, next(batches))
      if step == start + 1:
        jax.block_until_ready(metrics)  # so that the rate excludes compiling
        bar.note(f'first step after {pending.seconds():.0f} s')
      # Earlier metrics are complete by now: no wait for the device.
      bar.update(step, pending.write())
      if metrics and (step % log_every == 0 or step == steps):
        pending.put(step, metrics)
      if step <= watched:
        require_finite(state, step, checkpoints)
      if step % checkpoint_every == 0 or step == steps or stopping.requested():
        bar.update(step, pending.write())
        require_finite(state, step, checkpoints)
        checkpoints.save(state)
        if step < steps:
          stopping.check()
  return state


def _leave_out(
  state: learner.State, batch: Pair
) -> tuple[learner.State, Metrics]:
  del batch
  return state.replace(step=state.step + 1), {}


def require_finite(
  state: learner.State, step: int, checkpoints: checkpoint.Checkpoints
) -> None:
  """Raises Diverged if the state is not finite, before it is saved.

  The losses are those before the step's update, so they do not show it.
  """
  for part, finite in jax.device_get(_finite_parts(state)).items():
    if not finite:
      raise Diverged(f'the {part}', step, checkpoints.latest_step)


@jax.jit
def _finite_parts(state: learner.State) -> dict[str, jax.Array]:
  parts = {
    'segmenter': state.segmenter,
    'optimiser': state.opt_state,
    'opponents': state.opponents,
  }
  return {
    name: jnp.all(
      jnp.array([jnp.isfinite(x).all() for x in jax.tree.leaves(part)])
    )
    for name, part in parts.items()
  }


class _Pending:
  """Metrics that were dispatched but not yet read."""

  def __init__(
    self,
    log: metrics_log.MetricsLog,
    checkpoints: checkpoint.Checkpoints,
    rates: Rates,
  ) -> None:
    self._log, self._checkpoints, self._rates = log, checkpoints, rates
    self._item: tuple[int, Metrics] | None = None
    self._began = time.monotonic()

  def put(self, step: int, metrics: Metrics) -> None:
    self._item = step, metrics

  def seconds(self) -> float:
    """Seconds since the loop began."""
    return time.monotonic() - self._began

  def write(self) -> str:
    """Logs pending metrics and returns them as text for the progress bar."""
    if self._item is None:
      return ''
    step, metrics = self._item
    self._item = None
    values = {name: float(x) for name, x in jax.device_get(metrics).items()}
    bad = [name for name, value in values.items() if not math.isfinite(value)]
    if bad:
      raise Diverged(', '.join(bad), step, self._checkpoints.latest_step)
    seconds = round(self.seconds(), 3)
    self._log.write(step, {**values, **self._rates(step), 'seconds': seconds})
    return '  '.join(f'{name} {value:.3f}' for name, value in values.items())
