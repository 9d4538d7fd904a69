"""Exports a run's points to other tools and imports their answers."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pointsup_jax import errors
from pointsup_jax.annotation import database, facts, records
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.annotation.exchange import crops, exporting, importing
from pointsup_jax.annotation.exchange.formats import by_name
from pointsup_jax.annotation.exchange.formats import words as words_lib
from pointsup_jax.hosts import progress


class Asked(NamedTuple):
  """The points that a run asks about."""

  store: pathlib.Path
  size: tuple[int, int]  # (height, width) that the points refer to
  words: words_lib.Words
  # Makes the request for a pixel that was not asked.
  add: Callable[[store_lib.Store], Callable[[facts.Pixel], records.Request]]


def send(
  asked: Asked,
  format_name: str,
  path: pathlib.Path,
  *,
  which: str | None = None,
  limit: int | None = None,
  images: pathlib.Path | None = None,
  crops_folder: pathlib.Path | None = None,
) -> None:
  """Exports points and reports the files written.

  Args:
    format_name: one of `by_name.FORMATS`.
    path: file to write, or folder for labelme and masks.
    which: one of `exporting.WHICH`; None: 'open', or 'answered' if the format
      is write-only.
    limit: maximum number of points, most valuable first.
    images: folder of the original images; None: people see the images at the
      network's size.
    crops_folder: output folder of crops, for 'label_studio_points' only.

  Raises:
    errors.UserError: there are no such points, or the options do not fit.
  """
  with_crops = format_name == 'label_studio_points'
  if with_crops and not (images and crops_folder):
    raise errors.UsageError(
      f'--format={format_name} needs --images=DIR and --crops=DIR: it shows '
      'people a picture of each point'
    )
  if crops_folder and not with_crops:
    raise errors.UsageError('--crops is for --format=label_studio_points')
  written_only = by_name.FORMATS[format_name].read is None
  which = which or ('answered' if written_only else 'open')
  with store_lib.Store(asked.store, asked.words.classes.num_classes) as store:
    points = exporting.select(store, which, limit)
    if not points:
      raise errors.UserError(
        f'{asked.store} has no {"" if which == "all" else which + " "}points; '
        f'--points is one of {", ".join(exporting.WHICH)}'
      )
    order = exporting.prepare(
      store, points, size=asked.size, words=asked.words, images=images
    )
  if crops_folder:
    order = dataclasses.replace(order, folder=crops_folder.resolve().name)
  files = exporting.write(order, format_name, path)
  if images and crops_folder:
    crops.write(order, images, crops_folder)
  more = f' and {len(files) - 2} more' if len(files) > 2 else ''
  progress.say(
    f'{len(points)} points in {len(order.files)} images: '
    f'{", ".join(map(str, files[:2]))}{more}'
  )


def receive(
  asked: Asked,
  format_name: str,
  path: pathlib.Path,
  *,
  annotator: str = '',
  skip_faulty: bool = False,
  add_points: bool = False,
) -> None:
  """Records a file's answers and reports how many points are still open.

  See `importing.import_file` for `format_name`, `annotator`, `skip_faulty`.
  With `add_points`, answers to points that were not asked are recorded too.

  Raises:
    errors.UserError: answers are faulty; nothing was recorded.
  """
  with (
    database.taking_answers(asked.store),
    store_lib.Store(asked.store, asked.words.classes.num_classes) as store,
  ):
    done = importing.import_file(
      store,
      path,
      format_name,
      size=asked.size,
      words=asked.words,
      annotator=annotator,
      skip_faulty=skip_faulty,
      add=asked.add(store) if add_points else None,
    )
    counts = store.counts()
  progress.say(
    f'{done.recorded} answers recorded ({done.known} were known, {done.moved} '
    f'points moved, {done.faulty} faults skipped, {done.untouched} points of '
    f'the file untouched), {done.comments} comments; '
    f'{counts.requests - counts.answered} of {counts.requests} points are '
    'still open'
  )


def receive_facts(
  asked: Asked,
  found: Sequence[facts.Fact],
  *,
  skip_faulty: bool = False,
  add_points: bool = False,
) -> None:
  """Records answers of another run, as `receive` does those of a file."""
  with (
    database.sole_writer(asked.store),
    store_lib.Store(asked.store) as store,
  ):
    judged = facts.judge(store, found, asked.add(store) if add_points else None)
    faults = facts.refusals(judged)
    for line in faults:
      progress.say(f'{"skipped" if skip_faulty else "faulty"}: {line}')
    if faults and not skip_faulty:
      raise errors.UserError(
        f'{faults[0]}; nothing was recorded; record the others with '
        '--skip_faulty'
      )
    facts.record(store, judged)
    counts = store.counts()
  progress.say(
    f'{len(judged.new)} answers recorded, {len(judged.points)} points added '
    f'({judged.known} were known, {judged.otherwise} differ from what the same '
    f'person said here, which stands); {counts.requests - counts.answered} of '
    f'{counts.requests} points are still open'
  )
