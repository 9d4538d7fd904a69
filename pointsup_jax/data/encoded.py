"""Examples at their training size as PNG bytes, made by all cores."""

import concurrent.futures
import os
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from pointsup_jax import errors
from pointsup_jax.data import sources
from pointsup_jax.hosts import atomic_files

# Of zlib; benchmarks/data.py has what it costs and saves.
_COMPRESSION = 3


class Encoded(NamedTuple):
  """One example."""

  image: bytes  # PNG, RGB
  labels: bytes  # PNG, grey, train ids


def encode(image: np.ndarray, labels: np.ndarray) -> Encoded:
  """Encodes an image [H, W, 3] and its labels, losslessly."""
  bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
  return Encoded(_png(bgr), _png(labels))


def decode_image(data: bytes) -> np.ndarray:
  """[H, W, 3] uint8, RGB."""
  return _decode(data, cv2.IMREAD_COLOR_RGB)


def decode_labels(data: bytes) -> np.ndarray:
  """[H, W] uint8."""
  return _decode(data, cv2.IMREAD_GRAYSCALE)


def encode_all(
  source: sources.Source, parts: pathlib.Path | None
) -> Iterator[tuple[int, Encoded]]:
  """Encodes every example, on all cores, in order.


  Args:
    source: images and labels at the sizes to be stored.
    parts: keeps what has been encoded, so that a second call goes on where the
      first one was stopped: a folder for this source alone; None: nothing.

  Yields:
    The index and the encoded example.
  """

  def one(index: int) -> Encoded:
    known = None if parts is None else _read(parts, index)
    if known is not None:
      return known
    example = source[index]
    encoded = encode(example.image, example.labels)
    if parts is not None:
      _write(parts, index, encoded)
    return encoded

  workers = os.cpu_count() or 1
  # Threads: decoding, resizing and encoding all release the interpreter.
  with concurrent.futures.ThreadPoolExecutor(workers) as pool:
    # A few ahead of the reader, not all: the results are kept until it comes.
    waiting: list[concurrent.futures.Future[Encoded]] = []
    try:
      for index in range(len(source)):
        waiting.append(pool.submit(one, index))
        if len(waiting) > 2 * workers:
          yield index - len(waiting) + 1, waiting.pop(0).result()
      while waiting:
        yield len(source) - len(waiting), waiting.pop(0).result()
    finally:
      for future in waiting:
        future.cancel()


def _read(parts: pathlib.Path, index: int) -> Encoded | None:
  """What has been kept of an example."""
  paths = [parts / f'{index}.{field}.png' for field in Encoded._fields]
  if not all(path.exists() for path in paths):
    return None
  return Encoded(*(path.read_bytes() for path in paths))


def _write(parts: pathlib.Path, index: int, example: Encoded) -> None:
  """Keeps an example; each file is whole or not there."""
  parts.mkdir(parents=True, exist_ok=True)
  for field, data in example._asdict().items():
    atomic_files.write(parts / f'{index}.{field}.png', data)


def _decode(data: bytes, mode: int) -> np.ndarray:
  pixels = cv2.imdecode(np.frombuffer(data, np.uint8), mode)
  if pixels is None:
    raise errors.UserError(
      'an example of a prepared data set is damaged; delete the build and run '
      'python -m launch.prepare again'
    )
  return pixels


def _png(pixels: np.ndarray) -> bytes:
  done, data = cv2.imencode(
    '.png', pixels, [cv2.IMWRITE_PNG_COMPRESSION, _COMPRESSION]
  )
  if not done:
    raise errors.UserError(f'an image of shape {pixels.shape} has no PNG')
  return data.tobytes()
