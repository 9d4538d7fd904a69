"""Convolutions in the forms that are fast on CPUs and TPUs."""

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

he_normal = nn.initializers.variance_scaling(2.0, 'fan_out', 'normal')
# Of the rows of an image, in the sums of `shifted`'s gradient.
_BANDS = 8
# Of a TPU's vector: XLA pads the fastest axis to a multiple of them.
_LANES = 128
_BARE = ((0, 0), (0, 0))  # without padding
# Each output channel of a depthwise convolution has one input channel.
_he_normal_depthwise = nn.initializers.variance_scaling(2.0, 'fan_in', 'normal')


class Conv1x1(nn.Module):
  """A 1x1 convolution without bias, as a matrix product.

  Takes about half as long on XLA's CPU backend. The kernel keeps the shape of a
  convolution's, [1, 1, in, out].
  """

  features: int
  stride: int = 1
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """[B, H, W, in] -> [B, ceil(H / stride), ceil(W / stride), out]."""
    shape = (1, 1, x.shape[-1], self.features)
    kernel = self.param('kernel', he_normal, shape)
    x = x[:, :: self.stride, :: self.stride].astype(self.dtype)
    # Flattened: the gradient of a product with three batch axes is slower.
    rows = x.reshape(-1, x.shape[-1]) @ kernel[0, 0].astype(self.dtype)
    return rows.reshape(*x.shape[:-1], self.features)


def halved(
  x: jax.Array, kernel: jax.Array, *window: Any, **rest: Any
) -> jax.Array:
  """A convolution of stride 2, which `nn.Conv` can compute with.

  With the few channels of small networks, XLA's CPU backend takes several times
  as long for its gradients as for those of the same convolution of stride 1
  (`_of_parities`). TPUs get that form, too, where channels are few.

  Args:
    x: [B, H, W, C].
    kernel: [h, w, C, D].
    *window: strides (2, 2) and the padding of both axes.
    **rest: of `jax.lax.conv_general_dilated`; no dilation.
  """

  def on_cpu(x: jax.Array, kernel: jax.Array) -> jax.Array:
    parts = _of_parities(x, kernel, window[1], reshaped_parities)
    return jax.lax.conv_general_dilated(*parts, (1, 1), _BARE, **rest)

  return _by_platform(on_cpu, x, kernel, window, rest)


def halved_in_products(
  x: jax.Array, kernel: jax.Array, *window: Any, **rest: Any
) -> jax.Array:
  """The same, on CPUs as a matrix product for each place of the kernel.

  Faster than `halved` with many channels, slower to compile.
  """

  def on_cpu(x: jax.Array, kernel: jax.Array) -> jax.Array:
    x, kernel = _of_parities(x, kernel, window[1], reshaped_parities)
    rows, columns, channels, features = kernel.shape
    batch, height, width = (
      x.shape[0],
      x.shape[1] - rows + 1,
      x.shape[2] - columns + 1,
    )
    total = sum(
      x[:, i : i + height, j : j + width].reshape(-1, channels) @ kernel[i, j]
      for i, j in itertools.product(range(rows), range(columns))
    )
    return jnp.asarray(total).reshape(batch, height, width, features)

  return _by_platform(on_cpu, x, kernel, window, rest)


def _by_platform(
  on_cpu: Callable[[jax.Array, jax.Array], jax.Array],
  x: jax.Array,
  kernel: jax.Array,
  window: Sequence[Any],
  rest: Mapping[str, Any],
) -> jax.Array:
  """The form for the platform that the program is compiled for."""

  def of_library(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return jax.lax.conv_general_dilated(x, kernel, *window, **rest)

  def on_tpu(x: jax.Array, kernel: jax.Array) -> jax.Array:
    # An image of 3 channels was padded up to 85 times.
    if 4 * x.shape[-1] > _LANES:
      return of_library(x, kernel)
    parts = _of_parities(x, kernel, window[1], sliced_parities)
    return jax.lax.conv_general_dilated(*parts, (1, 1), _BARE, **rest)

  return jax.lax.platform_dependent(
    x, kernel, cpu=on_cpu, tpu=on_tpu, default=of_library
  )


def _of_parities(
  x: jax.Array,
  kernel: jax.Array,
  padding: Sequence[tuple[int, int]],
  parities: Callable[[jax.Array], jax.Array],
) -> tuple[jax.Array, jax.Array]:
  """The convolution of stride 1, unpadded, that equals one of stride 2.

  Even and odd rows and columns become four times as many channels of an image
  of half the size, and so do the kernel's.

  Returns:
    x: [B, H, W, C], padded -> [B, H / 2, W / 2, 4 C].
    kernel: [h, w, C, D], zeros appended to odd sides -> [h / 2, w / 2, 4 C, D].
  """
  edges = [(0, 0)]
  for side, size, (before, after) in zip(
    x.shape[1:3], kernel.shape[:2], padding, strict=True
  ):
    places = (side + before + after - size) // 2 + 1
    seen = 2 * (places - 1) + size + size % 2
    edges.append((before, seen - side - before))
  # A last odd row that no place sees is cut off: `lax.pad` takes away, too.
  x = jax.lax.pad(
    x, jnp.zeros((), x.dtype), [(*e, 0) for e in (*edges, (0, 0))]
  )
  odd = [(0, size % 2) for size in kernel.shape[:2]]
  kernel = jnp.pad(kernel, (*odd, (0, 0), (0, 0)))
  kernel = reshaped_parities(kernel.reshape(1, *kernel.shape))
  return parities(x), kernel.reshape(kernel.shape[1:])


def reshaped_parities(x: jax.Array) -> jax.Array:
  """Parities as channels: [B, H, W, C, ...] -> [B, H / 2, W / 2, 4 C, ...]."""
  batch, height, width, channels, *rest = x.shape
  x = x.reshape(batch, height // 2, 2, width // 2, 2, channels, *rest)
  x = jnp.moveaxis(x, 2, 3)
  return x.reshape(batch, height // 2, width // 2, 4 * channels, *rest)


def sliced_parities(x: jax.Array) -> jax.Array:
  """The same, fast on TPUs, where XLA would pad the short axes of a reshape."""
  rows = [jax.lax.slice_in_dim(x, i, None, 2, axis=1) for i in range(2)]
  parts = [
    jax.lax.slice_in_dim(x, i, None, 2, axis=2) for x in rows for i in range(2)
  ]
  return jnp.concatenate(parts, 3)


class Depthwise(nn.Module):
  """A convolution of each channel by itself, padded as TensorFlow's 'SAME'.

  Attributes:
    size: rows and columns of the kernel [size, size, 1, C].
    stride: of both sides.
    dilation: of both sides.
    dtype: of the result.
    use_bias: whether a bias [C] is added.
  """

  size: int
  stride: int = 1
  dilation: int = 1
  dtype: DTypeLike = jnp.float32
  use_bias: bool = False

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """[B, H, W, C] -> [B, ceil(H / stride), ceil(W / stride), C]."""
    shape = (self.size, self.size, 1, x.shape[-1])
    kernel = self.param('kernel', _he_normal_depthwise, shape)
    x, kernel = x.astype(self.dtype), kernel.astype(self.dtype)
    # Decided where the program is traced: XLA's CPU backend takes six times as
    # long for a step with grouped convolutions, whose gradients it has no fast
    # form of. Both forms run everywhere, as in an exported program.
    form = shifted if jax.default_backend() == 'cpu' else grouped
    y = form(x, kernel, self.stride, self.dilation)
    if self.use_bias:
      bias = self.param('bias', nn.initializers.zeros, shape[-1:])
      y += bias.astype(self.dtype)
    return y


def grouped(
  x: jax.Array, kernel: jax.Array, stride: int, dilation: int
) -> jax.Array:
  """The depthwise convolution as the library's, with a group per channel."""
  return jax.lax.conv_general_dilated(
    x,
    kernel,
    (stride, stride),
    'SAME',
    rhs_dilation=(dilation, dilation),
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    feature_group_count=x.shape[-1],
  )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def shifted(
  x: jax.Array, kernel: jax.Array, stride: int, dilation: int
) -> jax.Array:
  """The same as a sum of shifted images, each times a row of the kernel.

  Its own gradient sums shifted images too; jax's would add up as many padded
  ones as the kernel has places.
  """
  exact = jnp.promote_types(x.dtype, jnp.float32)
  wide = jnp.pad(x, _same(x, kernel.shape[0], stride, dilation))
  total = sum(
    kernel[row, column, 0].astype(exact) * part
    for row, column, part in _parts(wide, x.shape, kernel, stride, dilation)
  )
  return jnp.asarray(total).astype(x.dtype)


def _forward(
  x: jax.Array, kernel: jax.Array, stride: int, dilation: int
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
  return shifted(x, kernel, stride, dilation), (x, kernel)


def _backward(
  stride: int,
  dilation: int,
  factors: tuple[jax.Array, jax.Array],
  gradient: jax.Array,
) -> tuple[jax.Array, jax.Array]:
  """Gradients of the image and of the kernel."""
  x, kernel = factors
  exact = jnp.promote_types(x.dtype, jnp.float32)
  padding = _same(x, kernel.shape[0], stride, dilation)
  reach = dilation * (kernel.shape[0] - 1)
  # With the zeros that a stride leaves out, it is a convolution of stride 1
  # with the kernel turned around.
  edges = [(0, 0, 0)]
  for axis in (1, 2):
    before = reach - padding[axis][0]
    spread = stride * (gradient.shape[axis] - 1) + 1
    after = x.shape[axis] + reach - before - spread
    edges.append((before, after, stride - 1))
  zero = jnp.zeros((), gradient.dtype)
  wide = jax.lax.pad(gradient, zero, [*edges, (0, 0, 0)])
  turned = kernel[::-1, ::-1]
  of_x = sum(
    turned[row, column, 0].astype(exact) * part
    for row, column, part in _parts(wide, x.shape, kernel, 1, dilation)
  )
  of_kernel = _gradient_of_kernel(
    jnp.pad(x, padding),
    x.shape,
    kernel,
    gradient.astype(exact),
    stride,
    dilation,
  )
  return (
    jnp.asarray(of_x).astype(x.dtype),
    of_kernel.astype(kernel.dtype),
  )


def _gradient_of_kernel(
  wide: jax.Array,
  shape: tuple[int, ...],
  kernel: jax.Array,
  gradient: jax.Array,
  stride: int,
  dilation: int,
) -> jax.Array:
  """Sums of what each place of the kernel saw times the result's gradient.

  XLA's CPU backend sums over all but the last axis an element at a time, but
  adds whole arrays fast: so images are first cut into bands of rows, whose
  products are added up to one band. A fifth of the time.
  """
  # In the loops that read it, padding would be computed anew at each place.
  wide = jax.lax.optimization_barrier(wide)
  height = gradient.shape[1]
  rows = -(-height // min(_BANDS, height))  # in a band
  starts = range(0, height, rows)
  sums = []
  for _, _, part in _parts(wide, shape, kernel, stride, dilation):
    bands = [part[:, i : i + rows] * gradient[:, i : i + rows] for i in starts]
    short = rows - bands[-1].shape[1]
    bands[-1] = jnp.pad(bands[-1], ((0, 0), (0, short), (0, 0), (0, 0)))
    sums.append(sum(bands))
  stacked = jax.lax.optimization_barrier(jnp.stack(sums))
  return jnp.sum(stacked, (1, 2, 3)).reshape(kernel.shape)


shifted.defvjp(_forward, _backward)


def _same(
  x: jax.Array, size: int, stride: int, dilation: int
) -> list[tuple[int, int]]:
  """What 'SAME' adds before and after each axis of [B, H, W, C]."""
  sides = jax.lax.padtype_to_pads(
    x.shape[1:3], [dilation * (size - 1) + 1] * 2, [stride] * 2, 'SAME'
  )
  return [(0, 0), *((int(a), int(b)) for a, b in sides), (0, 0)]


def _parts(
  wide: jax.Array,
  shape: tuple[int, ...],
  kernel: jax.Array,
  stride: int,
  dilation: int,
) -> Iterator[tuple[int, int, jax.Array]]:
  """What each place of the kernel sees: (row, column, [B, h, w, C]).

  `wide` is an image of `shape`, padded.
  """
  exact = jnp.promote_types(wide.dtype, jnp.float32)
  height, width = (-(-side // stride) for side in shape[1:3])
  for row, column in itertools.product(range(kernel.shape[0]), repeat=2):
    top, left = dilation * row, dilation * column
    yield (
      row,
      column,
      wide[
        :,
        top : top + stride * (height - 1) + 1 : stride,
        left : left + stride * (width - 1) + 1 : stride,
      ].astype(exact),
    )
