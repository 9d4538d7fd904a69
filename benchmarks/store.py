"""How fast is the page's store with very many points, and how large?

  python -m benchmarks.store --points=1000000 --images=10000 --out=store.json

Another process fills a store, half of it answered, by as many people as then
take turns here. This one opens it as the page's server does, and calls what its
routes call, without HTTP. An answer includes the next points, the history and
the progress. The goals for 10 million points in 100,000 images and 50 people:
start below 5 s, an answer below 20 ms (median), below 500 MB resident.
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import pathlib
import random
import resource
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import numpy as np

from pointsup_jax import types
from pointsup_jax.annotation import queue as queue_lib
from pointsup_jax.annotation import records, schema
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.annotation.web import (
  answering,
  looking,
  pictures,
  points,
  store_thread,
)

CLASSES, SIZE, GRID, WANT = 19, (512, 1024), (16, 32), 12
ANSWER = (
  'INSERT INTO answers (request_id, answer, label, annotator, seconds, time,'
  " active_seconds, mode) VALUES (?, 'label', ?, ?, ?,"
  " '2026-01-01T00:00:00.000Z', ?, 'blind')"
)


class Images:
  """Names alone: no picture is shown."""

  def __init__(self, count: int) -> None:
    self.names = tuple(name_of(i) for i in range(count))

  def __getitem__(self, index: int) -> types.Example:
    image = np.zeros((*SIZE, 3), np.uint8)
    return types.Example(self.names[index], image, image[..., 0])


def main() -> None:
  """Prints the figures and writes them as JSON."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--points', type=int, default=20_000)
  parser.add_argument('--images', type=int, default=200)
  parser.add_argument('--annotators', type=int, default=50)
  parser.add_argument('--answers', type=int, default=500)
  parser.add_argument('--overlap', type=float, default=0.05)
  parser.add_argument('--folder', type=pathlib.Path, help='keeps the store')
  parser.add_argument('--out', type=pathlib.Path)
  options = parser.parse_args()
  with contextlib.ExitStack() as stack:
    folder = options.folder or pathlib.Path(
      stack.enter_context(tempfile.TemporaryDirectory())
    )
    path = folder / 'annotations.sqlite'
    if not path.exists():
      with multiprocessing.get_context('spawn').Pool(1) as pool:
        counting = pool.apply(fill, (path, options))
      print(f'state of a filled store: {counting:.1f} s, once')
    found = {
      'megabytes': path.stat().st_size / 1e6,
      'base': resident(),
      **asyncio.run(measure(path, options)),
      'resident': resident(),
    }
  for name, value in found.items():
    unit = 'MB' if name in ('megabytes', 'base', 'resident') else 's'
    print(f'{name}: {value:.4g} {unit}')
  if options.out:
    options.out.write_text(json.dumps(found, indent=1))


async def measure(
  path: pathlib.Path, options: argparse.Namespace
) -> dict[str, float]:
  """Seconds of what the page does."""
  began = time.perf_counter()
  thread = store_thread.StoreThread(path, CLASSES, options.overlap)
  shown = points.Shown(
    pictures.Pictures(Images(options.images)), thread.sizes(), GRID
  )
  found = {'start': time.perf_counter() - began}
  with contextlib.closing(thread):
    page = answering.Answering(thread, shown, {})
    answers = await answer(page, options)
    found['answer, median'] = statistics.median(answers)
    found['answer, 95%'] = statistics.quantiles(answers, n=20)[-1]
    looks = looking.Looking(thread, shown)
    listed = {'which': 'all', 'label': 3, 'image': '', 'before': None}
    who = person(0)
    works: dict[str, Callable[[], Awaitable[object]]] = {
      'progress': lambda: thread.do(queue_lib.Queue.progress),
      'plan': lambda: looks.plan(who),
      'agreement and effort': lambda: looks.agreement(None),
      'disputes': lambda: looks.disputes(who, {'want': WANT}),
      'own answers': lambda: looks.answers(who, listed | {'want': WANT}),
      'review of 1%': lambda: looks.review(
        who, {'want': WANT, 'share': 0.01, 'whose': ''}
      ),
      'images': lambda: looks.images(who, {'find': '', 'want': WANT}),
      'example points': lambda: looks.examples(None),
      'jump': lambda: page.jump(
        who, {'image': name_of(0), 'window': who, 'want': WANT}
      ),
    }
    for name, work in works.items():
      found[name] = await seconds_of(work)
    began = time.perf_counter()
    thread.check().result()
    found['check of all rows, beside'] = time.perf_counter() - began
  return found


async def seconds_of(work: Callable[[], Awaitable[object]]) -> float:
  """How long one call takes."""
  began = time.perf_counter()
  await work()
  return time.perf_counter() - began


async def answer(
  page: answering.Answering, options: argparse.Namespace
) -> list[float]:
  """Seconds of each answer of people who take turns."""
  rng = random.Random(1)
  people = [person(i) for i in range(options.annotators)]
  states = {}
  for who in people:
    states[who] = await page.points(who, {'window': who, 'want': WANT})
  found = []
  for i in range(options.answers):
    who = people[i % len(people)]
    if not states[who]['points']:
      continue
    body: dict[str, Any] = {
      'point': states[who]['points'][0]['id'],
      'answer': 'label',
      'label': rng.randrange(CLASSES),
      'seconds': 2.0,
      'active': 1.5,
      'mode': 'blind',
      'key': f'{time.time_ns()}',
      'window': who,
      'want': WANT,
    }
    began = time.perf_counter()
    states[who] = await page.answer(who, body)
    found.append(time.perf_counter() - began)
  return found


def fill(path: pathlib.Path, options: argparse.Namespace) -> float:
  """Writes a store, and returns the seconds in which its state is counted.

  As another program would: without the triggers that bring the state up to date
  with each answer.
  """
  store_lib.Store(path).close()
  with contextlib.closing(sqlite3.connect(path)) as file:
    file.execute('PRAGMA synchronous = OFF')
    triggers = file.execute(
      "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
    ).fetchall()
    for name, _ in triggers:
      file.execute(f'DROP TRIGGER {name}')
    rng = random.Random(0)
    file.executemany(
      'INSERT INTO images VALUES (?, ?, ?, ?)',
      ((name_of(i), rng.random(), *SIZE) for i in range(options.images)),
    )
    file.executemany(
      'INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, 3, 1, 1)',
      requests(options),
    )
    file.execute(
      'CREATE TEMP TABLE best AS SELECT image FROM images'
      ' ORDER BY score DESC, image LIMIT ?',
      (options.images // 2,),
    )
    best = {image for (image,) in file.execute('SELECT image FROM best')}
    file.executemany(ANSWER, answers(options, best))
    file.execute(
      'INSERT OR IGNORE INTO leases SELECT request_id, annotator, 600, 0'
      ' FROM answers'
    )
    for _, sql in triggers:
      file.execute(sql)
    file.commit()
  began = time.perf_counter()
  schema.connect(path).close()
  return time.perf_counter() - began


def requests(options: argparse.Namespace) -> Iterator[tuple]:
  """Rows of points, but for the last columns."""
  each = options.points // options.images
  for i in range(options.images):
    image = name_of(i)
    for patch in range(each):
      row, col = patch // GRID[1] * 31, patch % GRID[1] * 31
      yield records.request_id(image, row, col), image, row, col, patch, 0.5


def answers(options: argparse.Namespace, images: set[str]) -> Iterator[tuple]:
  """Rows of answers to all points of some images."""
  rng = random.Random(2)
  people = [person(i) for i in range(options.annotators)]
  for point, image, *_ in requests(options):
    if image in images:
      label = rng.randrange(CLASSES)
      asked = 1 + queue_lib.asked_twice(point, options.overlap)
      for who in rng.sample(people, asked):
        seconds = rng.lognormvariate(0.7, 0.5)
        given = label if rng.random() < 0.9 else rng.randrange(CLASSES)
        yield point, given, who, round(seconds, 3), round(seconds, 3)


def name_of(image: int) -> str:
  """The name of an image, as long as those of Cityscapes."""
  return f'town/town_{image:06}_000019'


def person(number: int) -> str:
  """The name of an annotator."""
  return f'annotator_{number:02}'


def resident() -> float:
  """The most memory that this process has had so far, in MB."""
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


if __name__ == '__main__':
  sys.exit(main())
