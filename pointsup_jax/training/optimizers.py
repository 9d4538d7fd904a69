"""Optimisers of the segmenter and the discriminators, and their schedule."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

HEADS = ('aux_head', 'main_head')


def poly(lr: float, *, power: float, decay_steps: int) -> optax.Schedule:
  """lr * (1 - step / decay_steps) ** power, 0 from decay_steps on."""
  return optax.polynomial_schedule(
    lr, end_value=0.0, power=power, transition_steps=decay_steps
  )


def opponent(schedule: optax.Schedule) -> optax.GradientTransformation:
  """Adam for the discriminators, with the published betas."""
  return optax.adam(schedule, b1=0.9, b2=0.99)


class SegmenterState(NamedTuple):
  """Steps done, and the momentum of every parameter."""

  steps: jax.Array
  momentum: optax.Params


def segmenter(
  schedule: optax.Schedule,
  *,
  head_lr_scale: float,
  momentum: float,
  weight_decay: float,
  repeat: bool,
) -> optax.GradientTransformation:
  """SGD in torch's form: adds the decay to the gradient before the momentum.

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
    grads: optax.Updates, state: SegmenterState, params: optax.Params
  ) -> tuple[optax.Updates, SegmenterState]:
    lr = schedule(state.steps)
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

    pairs = jax.tree_util.tree_map_with_path(
      leaf, grads, state.momentum, params
    )
    updates, buffers = jax.tree.transpose(
      jax.tree.structure(params), jax.tree.structure((0, 0)), pairs
    )
    return updates, SegmenterState(state.steps + 1, buffers)

  return optax.GradientTransformation(init, update)


def _is_affine(names: tuple[str, ...]) -> bool:
  return names[-1] in ('scale', 'bias') and 'bn' in names[-2]


def _repetitions(names: tuple[str, ...]) -> int:
  """How often the published code lists a convolution."""
  if not names[0].startswith('layer'):
    return 1
  return 4 if names[1] == 'downsample_conv' else 3
