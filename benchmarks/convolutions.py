r"""Ways to compute the network's convolutions, with their gradients.

  python -m benchmarks.convolutions

Which of them is fastest differs between a CPU, a GPU and a TPU; what `models`
has was chosen on a CPU. Each way is compared with XLA's own convolution before
it is timed. Shapes are those inside ResNet-101 for a source image of the
paper's size over `--divide`.
"""

import argparse
import functools
import itertools
import json
import pathlib
import sys
from collections.abc import Callable

import jax
import jax.numpy as jnp

from benchmarks import full_size, measuring

Convolution = Callable[[jax.Array, jax.Array, int], jax.Array]
# Stride of the feature map, channels in, channels out, kernel, dilation.
LAYERS = (
  (4, 64, 64, 3, 1),
  (8, 128, 128, 3, 1),
  (8, 256, 256, 3, 2),
  (8, 512, 512, 3, 4),
  (8, 1024, 256, 1, 1),
  (8, 256, 1024, 1, 1),
)


def main() -> None:
  """Prints the figures and writes them as JSON."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--divide', type=int, default=4)
  parser.add_argument('--repeats', type=int, default=9)
  parser.add_argument('--dtype', default='float32')
  parser.add_argument('--out', type=pathlib.Path)
  options = parser.parse_args()
  found = {'device': jax.devices()[0].device_kind}
  for stride, inside, outside, size, dilation in LAYERS:
    height, width = (x // options.divide // stride for x in full_size.SOURCE)
    keys = jax.random.split(jax.random.key(0))
    x = jax.random.normal(keys[0], (1, height, width, inside), options.dtype)
    kernel = jax.random.normal(
      keys[1], (size, size, inside, outside), options.dtype
    )
    layer = f'{size}x{size}, dilation {dilation}, {inside} to {outside}'
    ways = {'conv': conv, 'taps': taps}
    if size > 1:
      ways |= {'columns': columns, 'space to batch': space_to_batch}
    contenders = {
      name: contender(way, x, kernel, dilation) for name, way in ways.items()
    }
    seconds = measuring.alternate(contenders, options.repeats)
    found[layer] = seconds
    for name in ways:
      ratio = measuring.ratios(seconds[name], seconds['conv'])
      print(
        f'{layer}: {name} {measuring.spread(seconds[name], " ms", 1e3)}, '
        f'{measuring.spread(ratio)} of conv',
        flush=True,
      )
  if options.out:
    options.out.write_text(json.dumps(found, indent=1))


def contender(
  way: Convolution, x: jax.Array, kernel: jax.Array, dilation: int
) -> measuring.Work:
  """Its value and both gradients; compared with `conv` at once."""
  exact = conv(*(jnp.float32(a) for a in (x, kernel)), dilation)
  error = jnp.linalg.norm(way(x, kernel, dilation) - exact)
  assert error < 0.02 * jnp.linalg.norm(exact), error
  gradient = jax.jit(
    jax.grad(
      lambda x, kernel: jnp.sum(jnp.square(way(x, kernel, dilation))), (0, 1)
    )
  )
  return lambda: jax.block_until_ready(gradient(x, kernel))


def conv(x: jax.Array, kernel: jax.Array, dilation: int) -> jax.Array:
  """XLA's own."""
  reach = kernel.shape[0] // 2 * dilation
  return jax.lax.conv_general_dilated(
    x,
    kernel,
    (1, 1),
    [(reach, reach)] * 2,
    rhs_dilation=(dilation, dilation),
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
  )


def shifted(x: jax.Array, size: int, dilation: int) -> list[jax.Array]:
  """x as each tap of a kernel sees it, zero outside of x."""
  height, width = x.shape[1:3]
  reach = size // 2 * dilation
  padded = jnp.pad(x, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
  return [
    padded[:, i : i + height, j : j + width]
    for i, j in itertools.product(range(0, size * dilation, dilation), repeat=2)
  ]


def taps(x: jax.Array, kernel: jax.Array, dilation: int) -> jax.Array:
  """A matrix product for each tap, summed; a 1x1 kernel has one."""
  size, _, inside, outside = kernel.shape
  seen = shifted(x, size, dilation) if size > 1 else [x]
  products = (
    tap.reshape(-1, inside) @ weights
    for tap, weights in zip(
      seen, kernel.reshape(-1, inside, outside), strict=True
    )
  )
  return functools.reduce(jnp.add, products).reshape(*x.shape[:3], outside)


def columns(x: jax.Array, kernel: jax.Array, dilation: int) -> jax.Array:
  """One matrix product with all taps side by side ('im2col')."""
  seen = jnp.concatenate(shifted(x, kernel.shape[0], dilation), axis=-1)
  rows = seen.reshape(-1, seen.shape[-1])
  product = rows @ kernel.reshape(rows.shape[-1], -1)
  return product.reshape(*x.shape[:3], -1)


def space_to_batch(x: jax.Array, kernel: jax.Array, dilation: int) -> jax.Array:
  """A plain convolution of the `dilation`^2 images that do not meet."""
  batch, height, width, channels = x.shape
  rows, cols = -(-height // dilation), -(-width // dilation)
  x = jnp.pad(
    x,
    (
      (0, 0),
      (0, rows * dilation - height),
      (0, cols * dilation - width),
      (0, 0),
    ),
  )
  x = x.reshape(batch, rows, dilation, cols, dilation, channels)
  x = x.transpose(2, 4, 0, 1, 3, 5).reshape(-1, rows, cols, channels)
  y = conv(x, kernel, 1).reshape(dilation, dilation, batch, rows, cols, -1)
  y = y.transpose(2, 3, 0, 4, 1, 5)
  y = y.reshape(batch, rows * dilation, cols * dilation, -1)
  return y[:, :height, :width]


if __name__ == '__main__':
  sys.exit(main())
