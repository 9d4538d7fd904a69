"""Counts the pixels of each class in the source, to draw rare ones more."""

from collections.abc import Callable, Sequence
from typing import Any, TypedDict

import msgspec
import numpy as np

from pointsup_jax.data import pipeline, rare_classes, sources
from pointsup_jax.hosts import json_files, processes, progress, stopping
from pointsup_jax.run import context as run_lib
from pointsup_jax.run import workdir as workdir_lib

_WHAT = 'the classes of the source'


class _Counted(TypedDict):
  """The content of the file."""

  pixels: dict[str, list[json_files.Count]]  # of each class, by image


def drawer(
  run: run_lib.Run, source: sources.Source, phase: workdir_lib.Phase
) -> Callable[[int], int] | None:
  """Which source image a phase reads at each place of its order.

  None, for the usual order, unless config.data.rare_class_temperature is set.
  Raises errors.UserError if no image has a labelled pixel.
  """
  data = run.config.data
  if not data.rare_class_temperature:
    return None
  return rare_classes.drawer(
    counted(run, source),
    tuple(data.source.size),
    data.rare_class_temperature,
    run.seed('rare classes', run.workdir.place(phase)),
  )


def counted(run: run_lib.Run, source: sources.Source) -> np.ndarray:
  """Pixels of each class in each image [N, C] int64; the same for all.

  The first process counts them once and saves them.
  """
  path, classes = run.workdir.source_classes, run.classes.num_classes
  pixels = np.zeros((len(source), classes), np.int64)

  def find() -> None:
    parse = of_images(source.names, classes)
    known = json_files.read_derived(path, parse)
    if known is None:
      count(source, pixels, run.config.data.threads)
      of_image = dict(zip(source.names, pixels.tolist(), strict=True))
      json_files.write(path, {'pixels': of_image})
      run.workdir.push()
    else:
      pixels[:] = known

  stopping.run_by_first(find, _WHAT)
  return processes.from_first(pixels, _WHAT)


def count(source: sources.Source, pixels: np.ndarray, threads: int) -> None:
  """Counts the pixels of each class into `pixels` [N, C]."""
  images = pipeline.in_order(source, 1, threads)
  for row, (_, batch, _) in enumerate(
    progress.each(images, f'counting {_WHAT}', len(source))
  ):
    labels = np.asarray(batch.labels).ravel()
    pixels[row] = np.bincount(labels, minlength=256)[: pixels.shape[1]]
    stopping.check()


def of_images(names: Sequence[str], num_classes: int) -> json_files.Parse:
  """Makes the `parse` of the file, which returns [N, C] in the names' order."""

  def checked(found: dict[str, Any]) -> np.ndarray:
    pixels = msgspec.convert(found, _Counted)['pixels']
    if pixels.keys() != set(names):
      raise ValueError('it is of other images')
    if any(len(row) != num_classes for row in pixels.values()):
      raise ValueError(f'it is not of {num_classes} classes')
    return np.array([pixels[name] for name in names], np.int64)

  return checked
