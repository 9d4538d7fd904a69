"""How fast are training pairs read at the paper's sizes, and who waits?

  taskset -c 0,1 python -m benchmarks.data

Rendered scenes at the sizes of GTA5 (1914x1052) and Cityscapes (2048x1024) are
written as PNG files, built once as `launch.prepare` does it, and read through
the training pipeline: sources at 1280x760, targets (no labels) at 1024x512.
Pairs a second, from the files and from the builds; then how long a device whose
step takes some milliseconds would wait for its next pair.
"""

import argparse
import json
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator

import ml_collections
import numpy as np
from PIL import Image

from configs import gta_active
from pointsup_jax.data import building, domains, pipeline
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.data.streets import scenes

SOURCE, TARGET = (1052, 1914), (1024, 2048)  # height, width on disk
REPEATS = 3


def main() -> None:
  """Prints the figures and writes them as JSON."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--images', type=int, default=48)
  parser.add_argument('--seconds', type=float, default=8.0)
  parser.add_argument(
    '--steps_ms', type=float, nargs='*', default=[18, 50, 200]
  )
  parser.add_argument('--out', type=pathlib.Path)
  options = parser.parse_args()
  found: dict[str, object] = {'images': options.images}
  with tempfile.TemporaryDirectory() as folder:
    config = write_files(pathlib.Path(folder), options.images)
    began = time.perf_counter()
    classes = domains.classes_of(config.data)
    for order in building.orders_of(config, classes):
      building.build(order, classes)
    found['build_seconds'] = time.perf_counter() - began
    builds = [*pathlib.Path(config.data.prepared).rglob('*.array_record*')]
    found['build_megabytes'] = sum(x.stat().st_size for x in builds) / 1e6
    for way in ('files', 'prepared'):
      for threads in (1, 2, 4):
        rates = [
          rate(pairs(config, way, threads), options.seconds)
          for _ in range(REPEATS)
        ]
        found[f'{way}, {threads} threads, pairs/s'] = statistics.median(rates)
        print(
          f'{way}, {threads} threads: {statistics.median(rates):.1f} pairs/s '
          f'({min(rates):.1f} to {max(rates):.1f})',
          flush=True,
        )
    for milliseconds in options.steps_ms:
      share = waiting(pairs(config, 'prepared', 2), milliseconds / 1000)
      found[f'share waited with a step of {milliseconds} ms'] = share
      print(f'a step of {milliseconds} ms waits {share:.0%} of the time')
  if options.out:
    options.out.write_text(json.dumps(found, indent=1))


def write_files(root: pathlib.Path, count: int) -> ml_collections.ConfigDict:
  """Writes both data sets in their official layouts."""
  config = gta_active.get_config()
  config.data.root, config.data.prepared = str(root), str(root / 'prepared')
  ids = np.full(256, 0, np.uint8)
  ids[: len(classes_lib.LABEL_IDS)] = list(classes_lib.LABEL_IDS.values())

  def write(look: str, i: int, size: tuple[int, int], image: str, label: str):
    pixels, labels = scenes.render(look, 'train', i, 0, size)
    for path, array in ((image, pixels), (label, ids[labels])):
      (root / path).parent.mkdir(parents=True, exist_ok=True)
      Image.fromarray(array).save(root / path, compress_level=6)

  for i in range(count):
    write(
      'game', i, SOURCE, f'GTA5/images/{i:05}.png', f'GTA5/labels/{i:05}.png'
    )
    for split in ('train', 'val') if i < 2 else ('train',):
      stem = f'{split}/town/town_{i:06}_000019'
      write(
        'camera', i, TARGET,
        f'Cityscapes/leftImg8bit/{stem}_leftImg8bit.png',
        f'Cityscapes/gtFine/{stem}_gtFine_labelIds.png',
      )  # fmt: skip
  return config


def pairs(
  config: ml_collections.ConfigDict, way: str, threads: int
) -> Iterator[tuple]:
  """The training pipeline of both domains, batches of one."""
  data = config.copy_and_resolve_references().data
  if way == 'files':
    data.prepared = ''
  streams = (
    pipeline.stream(
      domains.open_domain(
        data,
        name,
        classes=domains.classes_of(data),
        seed=0,
        labelled=name == 'source',
      ),
      seed=0,
      batch_size=1,
      num_threads=threads,
    )
    for name in ('source', 'target')
  )
  return zip(*streams, strict=True)


def rate(batches: Iterator[tuple], seconds: float) -> float:
  """Pairs a second, without the first ones."""
  for _ in range(4):
    next(batches)
  began, count = time.perf_counter(), 0
  while time.perf_counter() - began < seconds:
    next(batches)
    count += 1
  return count / (time.perf_counter() - began)


def waiting(batches: Iterator[tuple], step: float, steps: int = 100) -> float:
  """The share of the time that a device of this speed waits for its pair."""
  next(batches)
  began, waited = time.perf_counter(), 0.0
  for _ in range(steps):
    asked = time.perf_counter()
    next(batches)
    waited += time.perf_counter() - asked
    time.sleep(step)  # the device works; the reading threads go on
  return waited / (time.perf_counter() - began)


if __name__ == '__main__':
  sys.exit(main())
