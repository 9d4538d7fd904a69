r"""Ways to compute the network's convolutions, with their gradients.

  python -m benchmarks.convolutions

Which of them is fastest differs between a CPU, a GPU and a TPU; what `models`
has was chosen on a CPU. Each way is compared with XLA's own convolution before
it is timed. Shapes are those inside ResNet-101 for a source image of the
paper's size over `--divide`, and of EfficientNet-Lite0's depthwise convolutions
for four images of 128 x 192.
"""

import argparse
import functools
import itertools
import json
import pathlib
import sys
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from benchmarks import full_size, measuring
from pointsup_jax.models import convolutions

Convolution = Callable[[jax.Array, jax.Array], jax.Array]
# Ways by name, the first XLA's own, and image and kernel.
Contest = tuple[Mapping[str, Convolution], tuple[jax.Array, jax.Array]]
# Stride of the feature map, channels in, channels out, kernel, dilation.
LAYERS = (
  (4, 64, 64, 3, 1),
  (8, 128, 128, 3, 1),
  (8, 256, 256, 3, 2),
  (8, 512, 512, 3, 4),
  (8, 1024, 256, 1, 1),
  (8, 256, 1024, 1, 1),
)
# Height, width, channels, kernel, stride of depthwise convolutions.
DEPTHWISE = (
  (64, 96, 32, 3, 1),
  (64, 96, 96, 3, 2),
  (32, 48, 144, 5, 2),
  (16, 24, 240, 5, 1),
  (8, 12, 480, 3, 1),
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
  for layer, (ways, of) in {
    **of_resnet(options.divide, options.dtype),
    **depthwise(options.dtype),
  }.items():
    found[layer] = compare(layer, ways, of, options.repeats)
  if options.out:
    options.out.write_text(json.dumps(found, indent=1))


def of_resnet(divide: int, dtype: str) -> dict[str, Contest]:
  """The convolutions of `LAYERS`, named."""
  found = {}
  for stride, inside, outside, size, dilation in LAYERS:
    height, width = (x // divide // stride for x in full_size.SOURCE)
    ways = {'conv': conv, 'taps': taps}
    if size > 1:
      ways |= {'columns': columns, 'space to batch': space_to_batch}
    found[f'{size}x{size}, dilation {dilation}, {inside} to {outside}'] = (
      {x: functools.partial(y, dilation=dilation) for x, y in ways.items()},
      arrays((1, height, width, inside), (size, size, inside, outside), dtype),
    )
  return found


def depthwise(dtype: str) -> dict[str, Contest]:
  """The convolutions of `DEPTHWISE`, named."""

  def at(way: Callable[..., jax.Array], stride: int) -> Convolution:
    return lambda x, kernel: way(x, kernel, stride, 1)

  found = {}
  for height, width, channels, size, stride in DEPTHWISE:
    place = f'{channels} of {height}x{width}'
    found[f'depthwise {size}x{size}, stride {stride}, {place}'] = (
      {
        'conv': at(convolutions.grouped, stride),
        'shifted': at(convolutions.shifted, stride),
      },
      arrays((4, height, width, channels), (size, size, 1, channels), dtype),
    )
  return found


def arrays(
  image: tuple[int, ...], kernel: tuple[int, ...], dtype: str
) -> tuple[jax.Array, jax.Array]:
  """Random images and a random kernel."""
  keys = jax.random.split(jax.random.key(0))
  return (
    jax.random.normal(keys[0], image, dtype),
    jax.random.normal(keys[1], kernel, dtype),
  )


def compare(
  layer: str,
  ways: Mapping[str, Convolution],
  of: tuple[jax.Array, jax.Array],
  repeats: int,
) -> dict[str, list[float]]:
  """Prints and returns the seconds of all ways; the first is XLA's own."""
  own = next(iter(ways))
  exact = ways[own](*(jnp.float32(x) for x in of))
  contenders = {name: contender(way, of, exact) for name, way in ways.items()}
  seconds = measuring.alternate(contenders, repeats)
  for name in ways:
    ratio = measuring.ratios(seconds[name], seconds[own])
    print(
      f'{layer}: {name} {measuring.spread(seconds[name], " ms", 1e3)}, '
      f'{measuring.spread(ratio)} of {own}',
      flush=True,
    )
  return seconds


def contender(
  way: Convolution, of: tuple[jax.Array, jax.Array], exact: jax.Array
) -> measuring.Work:
  """Its value and both gradients; compared with `exact` at once."""
  error = jnp.linalg.norm(way(*of) - exact)
  assert error < 0.02 * jnp.linalg.norm(exact), error
  gradient = jax.jit(
    jax.grad(lambda x, kernel: jnp.sum(jnp.square(way(x, kernel))), (0, 1))
  )
  return lambda: jax.block_until_ready(gradient(*of))


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
