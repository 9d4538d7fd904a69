"""Convolutions as matrix products: XLA's own of float64 take minutes on a CPU.

(Those of few channels, as of an image, most of all.)
"""

import functools

import jax
import jax.numpy as jnp


def use(monkeypatch):
  """Has Flax's layers take them."""
  monkeypatch.setattr(jax.lax, 'conv_general_dilated', convolution)
  monkeypatch.setattr(jax.lax, 'conv_transpose', transposed)


def convolution(
  x, kernel, strides, padding, lhs_dilation=None, rhs_dilation=None, **unused
):
  """As `jax.lax.conv_general_dilated` of NHWC and HWIO."""
  geometry = (
    tuple(strides),
    tuple(map(tuple, padding)),
    tuple(lhs_dilation or (1, 1)),
    tuple(rhs_dilation or (1, 1)),
  )
  return product(x, kernel, geometry)


def transposed(x, kernel, strides, padding, rhs_dilation=None, **unused):
  """As `jax.lax.conv_transpose` with explicit padding."""
  return convolution(x, kernel, (1, 1), padding, strides, rhs_dilation)


def patches(x, size, geometry):
  """The pixels under each tap of a kernel: [B, h, w, taps * channels]."""
  strides, padding, inner, outer = geometry
  around = [
    (*pair, dilation - 1) for pair, dilation in zip(padding, inner, strict=True)
  ]
  x = jax.lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), *around, (0, 0, 0)))
  rows, columns = (
    [
      slice(start, start + length - step * (taps - 1), stride)
      for start in range(0, step * taps, step)
    ]
    for length, taps, step, stride in zip(
      x.shape[1:3], size, outer, strides, strict=True
    )
  )
  return jnp.concatenate([x[:, i, j] for i in rows for j in columns], axis=-1)


@functools.partial(jax.jit, static_argnums=2)
def forward(x, kernel, geometry):
  return patches(x, kernel.shape[:2], geometry) @ flat(kernel)


@functools.partial(jax.jit, static_argnums=0)
def backward(geometry, factors, gradient):
  x, kernel = factors
  seen, pull = jax.vjp(lambda x: patches(x, kernel.shape[:2], geometry), x)
  of_kernel = flat(seen).T @ flat(gradient)
  (of_x,) = pull(gradient @ flat(kernel).T)
  return of_x, of_kernel.reshape(kernel.shape)


def flat(x):
  return x.reshape(-1, x.shape[-1])


# Keeps x alone for the backward pass, not its patches.
product = jax.custom_vjp(forward, nondiff_argnums=(2,))
product.defvjp(
  lambda x, kernel, geometry: (forward(x, kernel, geometry), (x, kernel)),
  backward,
)
