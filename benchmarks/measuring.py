"""Contenders measured in turn, so that a noisy machine is noisy to all."""

import statistics
import time
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

Work = Callable[[], object]  # returns when the work is done


def alternate(
  contenders: Mapping[str, Work], repeats: int
) -> dict[str, list[float]]:
  """Seconds of each contender in each of so many rounds.

  Every contender runs once beforehand, unmeasured.
  """
  for work in contenders.values():
    work()
  seconds: dict[str, list[float]] = {name: [] for name in contenders}
  for _ in range(repeats):
    for name, work in contenders.items():
      began = time.perf_counter()
      work()
      seconds[name].append(time.perf_counter() - began)
  return seconds


def ratios(ours: list[float], theirs: list[float]) -> list[float]:
  """Of the seconds round by round: noise that lasts longer cancels."""
  return [a / b for a, b in zip(ours, theirs, strict=True)]


def spread(values: list[float], unit: str = '', scale: float = 1.0) -> str:
  """Median, lowest and highest as text."""
  median, low, high = (
    scale * x for x in (statistics.median(values), min(values), max(values))
  )
  return f'{median:.3g}{unit} ({low:.3g} to {high:.3g})'


def matmul_peak(dtype: jnp.dtype, size: int, repeats: int = 5) -> float:
  """Operations a second of a large product of random matrices, the best."""
  keys = jax.random.split(jax.random.key(0))
  a, b = (jax.random.normal(key, (size, size), dtype) for key in keys)
  multiply = jax.jit(jnp.matmul)
  seconds = alternate(
    {'matmul': lambda: jax.block_until_ready(multiply(a, b))}, repeats
  )['matmul']
  return 2 * size**3 / min(seconds)


def copy_peak(megabytes: int, repeats: int = 5) -> float:
  """Bytes a second, read and written, of a large copy; the best."""
  x = jnp.zeros(megabytes * 2**18, jnp.float32)
  copy = jax.jit(lambda x: x + 1)
  seconds = alternate(
    {'copy': lambda: jax.block_until_ready(copy(x))}, repeats
  )['copy']
  return 2 * x.nbytes / min(seconds)
