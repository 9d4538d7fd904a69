r"""Acquisition and evaluation after the network, against NumPy.

  python -m benchmarks.after_the_network

From the network's small logits: enlarging them; for acquisition labels,
entropy, patch scores, the best patches and the points in each; for evaluation
labels and the confusion matrix. The NumPy way does the same to one image after
the other, as published code does. Results are compared before anything is
timed. `--network` adds the time of ResNet-101 itself.
"""

import argparse
import functools
import json
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import measuring
from pointsup_jax.acquisition import grid, questions, scores
from pointsup_jax.models import deeplab, resnet, upsample
from pointsup_jax.stages import evaluate

CLASSES, GRID, K, N = 19, (8, 16), 10, 5
TRAINED, NATIVE = (512, 1024), (1024, 2048)


def main() -> None:
  """Prints the figures and writes them as JSON."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--images', type=int, default=4)
  parser.add_argument('--divide', type=int, default=1)
  parser.add_argument('--repeats', type=int, default=7)
  # In a row, so that one way is not measured in what the other leaves behind.
  parser.add_argument('--calls', type=int, default=5)
  parser.add_argument('--network', action='store_true')
  parser.add_argument('--out', type=pathlib.Path)
  options = parser.parse_args()
  trained, native = (
    tuple(x // options.divide for x in size) for size in (TRAINED, NATIVE)
  )
  small_size = tuple((x + 1) // 8 + 1 for x in trained)
  small = smooth_logits(options.images, small_size)
  seen = scores.Seen(small)
  labels = np.asarray(jnp.argmax(upsample.bilinear(small, native), -1))
  labels = np.where(labels == 3, 255, labels).astype(np.uint8)

  ask = jax.jit(
    functools.partial(
      questions.find,
      size=trained,
      seed=0,
      strategy='active',
      score='entropy',
      place='patches',
      rows=GRID[0],
      cols=GRID[1],
      k=K,
      n=N,
    )
  )
  ids = np.arange(options.images, dtype=np.uint32)
  asked = np.zeros((options.images, GRID[0] * GRID[1]), bool)
  count = jax.jit(functools.partial(evaluate.count, num_classes=CLASSES))
  contenders = {
    'acquisition': lambda: jax.block_until_ready(ask(seen, ids, asked)),
    'acquisition, NumPy': lambda: ask_numpy(np.asarray(small), trained),
    'evaluation': lambda: jax.block_until_ready(count(small, labels)),
    'evaluation, NumPy': lambda: count_numpy(np.asarray(small), labels),
  }
  check(contenders)
  if options.network:
    contenders |= networks(options.images, trained)
  seconds = measuring.alternate(
    {name: repeated(work, options.calls) for name, work in contenders.items()},
    options.repeats,
  )
  for name, times in seconds.items():
    rates = [options.images * options.calls / x for x in times]
    print(f'{name}: {measuring.spread(rates)} images/s')
  for name in ('acquisition', 'evaluation'):
    faster = measuring.ratios(seconds[f'{name}, NumPy'], seconds[name])
    print(f'{name}: {measuring.spread(faster)} times as fast as NumPy')
  found = {'device': jax.devices()[0].device_kind, 'seconds': seconds}
  if options.out:
    options.out.write_text(json.dumps(found, indent=1))


def repeated(work: measuring.Work, calls: int) -> measuring.Work:
  """The same so many times."""

  def works() -> None:
    for _ in range(calls):
      work()

  return works


def smooth_logits(images: int, size: tuple[int, int]) -> jax.Array:
  """Logits [B, h, w, C] of regions, as a network gives them."""
  coarse = 4 * jax.random.normal(jax.random.key(0), (images, 9, 17, CLASSES))
  return upsample.bilinear(coarse, size)


def enlarge_numpy(small: np.ndarray, size: tuple[int, int]) -> np.ndarray:
  """[h, w, C] -> [H, W, C], as two matrix products."""
  rows, columns = (
    upsample.weights(old, new).astype(np.float32)
    for old, new in zip(small.shape[:2], size, strict=True)
  )
  x = np.tensordot(rows, small, (1, 0))
  return np.matmul(columns, x)


def ask_numpy(small: np.ndarray, size: tuple[int, int]) -> list[tuple]:
  """Labels, patch scores, patches and points of each image."""
  random = np.random.default_rng(0)
  rows, cols = GRID
  height, width = size[0] // rows, size[1] // cols
  found = []
  for logits in small:
    logits = enlarge_numpy(logits, size)
    labels = logits.argmax(-1).astype(np.uint8)
    p = np.exp(logits - logits.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    entropy = -(p * np.log2(p + 1e-30)).sum(-1) / np.log2(CLASSES)
    patches = entropy.reshape(rows, height, cols, width).mean((1, 3)).ravel()
    best = np.argsort(-patches, kind='stable')[:K]
    points = [random.choice(height * width, N, replace=False) for _ in patches]
    found.append((labels, patches, best, points))
  return found


def count_numpy(small: np.ndarray, labels: np.ndarray) -> np.ndarray:
  """The confusion matrix of each image."""
  matrices = []
  for logits, truth in zip(small, labels, strict=True):
    predicted = enlarge_numpy(logits, truth.shape).argmax(-1)
    counted = truth < CLASSES
    pairs = truth[counted].astype(np.int64) * CLASSES + predicted[counted]
    counts = np.bincount(pairs, minlength=CLASSES**2)
    matrices.append(counts.reshape(CLASSES, CLASSES))
  return np.stack(matrices)


def check(contenders: dict[str, measuring.Work]) -> None:
  """Both ways have to say the same."""
  ours, theirs = (
    contenders['acquisition'](),
    contenders['acquisition, NumPy'](),
  )
  for i, (labels, patches, best, _) in enumerate(theirs):
    same = np.mean(np.asarray(ours.pseudo_labels[i]) == labels)
    assert same > 0.9999, same
    np.testing.assert_allclose(ours.scores[i], patches, atol=1e-5)
    size = ours.pseudo_labels.shape[1:]
    asked = grid.patch_of(ours.points[i, ::N], size, *GRID)
    np.testing.assert_array_equal(asked, best)
  matrices = np.asarray(contenders['evaluation']()[0])
  off = np.abs(matrices - contenders['evaluation, NumPy']()).sum()
  assert off <= 1e-4 * matrices.sum(), off


def networks(images: int, size: tuple[int, int]) -> dict[str, measuring.Work]:
  """ResNet-101 up to its small logits, in either precision."""
  pixels = np.random.default_rng(0).integers(
    0, 256, (images, *size, 3), np.uint8
  )
  variables = jax.jit(
    lambda key: deeplab.DeepLabV2(CLASSES).init(
      key, jnp.zeros((1, 32, 32, 3)), train=False
    )
  )(jax.random.key(0))

  def contender(dtype: str) -> measuring.Work:
    network = jax.jit(
      lambda variables, images: deeplab.DeepLabV2(CLASSES, dtype=dtype).apply(
        variables, resnet.preprocess(images), train=False
      )
    )
    return lambda: jax.block_until_ready(network(variables, pixels))

  return {
    f'network, {dtype}': contender(dtype) for dtype in ('float32', 'bfloat16')
  }


if __name__ == '__main__':
  sys.exit(main())
