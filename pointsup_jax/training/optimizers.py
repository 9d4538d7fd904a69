"""Optimisers of the segmenter and the discriminators, and their schedule."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from pointsup_jax.models import depth_branch

# Adam's betas for networks that make or judge images, as DISE publishes them.
TRANSLATION = {'b1': 0.5, 'b2': 0.999}
NAMES = ('sgd', 'adamw')  # of the segmenter's
HEADS = ('aux_head', 'main_head', 'fine_head', *depth_branch.MODULES)


def poly(
  lr: float, *, power: float, decay_steps: int, warmup_steps: int = 0
) -> optax.Schedule:
  """lr * (1 - step / decay_steps) ** power, 0 from decay_steps on.

  In the first `warmup_steps` it is lr * step / warmup_steps instead.
  """
  decay = optax.polynomial_schedule(
    lr, end_value=0.0, power=power, transition_steps=decay_steps
  )
  if not warmup_steps:
    return decay
  rise = optax.linear_schedule(0.0, lr, warmup_steps)
  return lambda step: jnp.where(step < warmup_steps, rise(step), decay(step))


def poly_on_host(
  step: int,
  lr: float,
  *,
  power: float,
  decay_steps: int,
  warmup_steps: int = 0,
) -> float:
  """The value of `poly` at a step, computed without the device."""
  if step < warmup_steps:
    return lr * step / warmup_steps
  return float(lr * max(1 - step / decay_steps, 0.0) ** power)


def opponent(
  schedule: optax.Schedule, *, b1: float = 0.9, b2: float = 0.99
) -> optax.GradientTransformationExtraArgs:
  """Adam for the discriminators, with the published betas.

  `update` takes the training step, which drives the rate: a player may move
  several times in a step, or in few.
  """
  return optax.chain(optax.scale_by_adam(b1=b1, b2=b2), _by_rate(schedule))


def head(
  schedule: optax.Schedule, *, momentum: float, weight_decay: float
) -> optax.GradientTransformationExtraArgs:
  """The segmenter's SGD, for a player that is as one of its heads."""
  return optax.chain(
    optax.add_decayed_weights(weight_decay),
    optax.trace(momentum),
    _by_rate(schedule),
  )


def _by_rate(schedule: optax.Schedule) -> optax.GradientTransformationExtraArgs:
  """Scales updates by minus the rate of the step, by default the count's."""

  def init(params: optax.Params) -> optax.ScaleByScheduleState:
    del params
    return optax.ScaleByScheduleState(jnp.zeros((), jnp.int32))

  def update(
    updates: optax.Updates,
    state: optax.ScaleByScheduleState,
    params: optax.Params | None = None,
    *,
    step: jax.Array | None = None,
    **unused: object,
  ) -> tuple[optax.Updates, optax.ScaleByScheduleState]:
    del params, unused
    rate = -schedule(state.count if step is None else step)
    return (
      jax.tree.map(lambda x: rate * x, updates),
      optax.ScaleByScheduleState(state.count + 1),
    )

  return optax.GradientTransformationExtraArgs(init, update)


class SegmenterState(NamedTuple):
  """Updates made, and the momentum of every parameter."""

  steps: jax.Array
  momentum: optax.Params


def segmenter(
  schedule: optax.Schedule,
  *,
  head_lr_scale: float,
  momentum: float,
  weight_decay: float,
  repeat: bool,
) -> optax.GradientTransformationExtraArgs:
  """SGD in torch's form: adds the decay to the gradient before the momentum.

  `update` takes gradients of all modules or of some, whose parameters and
  momentum alone it changes, and the training step, which drives the rate.

  Batch norm's affine parameters are frozen. The heads learn `head_lr_scale`
  times faster than `schedule`.

  With `repeat`, each gradient is applied three times to the convolutions of the
  four stages and four times to those of downsamples, and the effective rate is
  that much higher. The published code does so, as it lists them in torch's
  optimiser once per enclosing module.
  """

  def init(params: optax.Params) -> SegmenterState:
    zeros = jax.tree.map(jnp.zeros_like, params)
    return SegmenterState(jnp.zeros((), jnp.int32), zeros)

  def update(
    grads: optax.Updates,
    state: SegmenterState,
    params: optax.Params,
    *,
    step: jax.Array | None = None,
    **unused: object,
  ) -> tuple[optax.Updates, SegmenterState]:
    del unused
    lr = schedule(state.steps if step is None else step)
    # torch initialises a buffer with the first gradient, in each repetition.
    inertia = jnp.where(state.steps == 0, 0.0, momentum)

    def leaf(
      path: tuple, grad: jax.Array, buffer: jax.Array, param: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
      names = tuple(str(part.key) for part in path)
      if _is_affine(names):
        return jnp.zeros_like(param), buffer
      rate = lr * head_lr_scale if names[0] in HEADS else lr
      moved = param
      for _ in range(_repetitions(names) if repeat else 1):
        buffer = inertia * buffer + grad + weight_decay * moved
        moved = moved - rate * buffer
      return moved - param, buffer

    buffers, params = (
      {name: tree[name] for name in grads} for tree in (state.momentum, params)
    )
    pairs = jax.tree_util.tree_map_with_path(leaf, grads, buffers, params)
    updates, buffers = jax.tree.transpose(
      jax.tree.structure(params), jax.tree.structure((0, 0)), pairs
    )
    return updates, SegmenterState(state.steps + 1, state.momentum | buffers)

  return optax.GradientTransformationExtraArgs(init, update)


def adamw(
  schedule: optax.Schedule, *, betas: tuple[float, float], weight_decay: float
) -> optax.GradientTransformationExtraArgs:
  """torch's AdamW; scales and biases of norms do not decay, as in DAFormer.

  `update` takes the training step, which drives the rate.
  """
  return optax.chain(
    optax.scale_by_adam(*betas),
    optax.add_decayed_weights(weight_decay, mask=_decaying),
    _by_rate(schedule),
  )


def segmenter_adamw(
  schedule: optax.Schedule,
  *,
  head_lr_scale: float,
  betas: tuple[float, float],
  weight_decay: float,
) -> optax.GradientTransformationExtraArgs:
  """AdamW for all parameters; the heads learn `head_lr_scale` times faster.

  `update` takes gradients of all modules or of some, as that of `segmenter`.
  Each module has a state of its own, which counts its updates.
  """

  def faster(step: jax.Array) -> jax.Array:
    return head_lr_scale * schedule(step)

  body, heads = (
    adamw(rate, betas=betas, weight_decay=weight_decay)
    for rate in (schedule, faster)
  )

  def of(name: str) -> optax.GradientTransformationExtraArgs:
    return heads if name in HEADS else body

  def init(params: optax.Params) -> dict[str, optax.OptState]:
    # Norms are told by names, so modules keep theirs.
    return {name: of(name).init({name: params[name]}) for name in params}

  def update(
    grads: optax.Updates,
    state: dict[str, optax.OptState],
    params: optax.Params,
    *,
    step: jax.Array | None = None,
    **unused: object,
  ) -> tuple[optax.Updates, dict[str, optax.OptState]]:
    del unused
    updates: dict = {}
    moved = {}
    for name in grads:
      change, moved[name] = of(name).update(
        {name: grads[name]}, state[name], {name: params[name]}, step=step
      )
      updates |= change
    return updates, state | moved

  return optax.GradientTransformationExtraArgs(init, update)


def _decaying(params: optax.Params) -> optax.Params:
  """Whether each parameter decays: all but those of norms."""

  def leaf(path: tuple, _: jax.Array) -> bool:
    module = str(path[-2].key)
    return not ('norm' in module or 'bn' in module)

  return jax.tree_util.tree_map_with_path(leaf, params)


def _is_affine(names: tuple[str, ...]) -> bool:
  return names[-1] in ('scale', 'bias') and 'bn' in names[-2]


def _repetitions(names: tuple[str, ...]) -> int:
  """How often the published code lists a convolution."""
  if not names[0].startswith('layer'):
    return 1
  return 4 if names[1] == 'downsample_conv' else 3
