"""Encodes examples at their training size as PNG bytes, on all cores."""

import concurrent.futures
import os
import pathlib
import struct
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from pointsup_jax import errors
from pointsup_jax.data import sources
from pointsup_jax.hosts import atomic_files

# zlib level; docs/PERFORMANCE.md compares other encodings.
_COMPRESSION = 3


class Encoded(NamedTuple):
  """One encoded example."""

  image: bytes  # PNG, RGB
  labels: bytes  # PNG, grey, train ids


def encode(image: np.ndarray, labels: np.ndarray) -> Encoded:
  """Encodes an image [H, W, 3] and labels [H, W], both uint8, losslessly."""
  bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
  return Encoded(_png(bgr), _png(labels))


def decode_image(data: bytes) -> np.ndarray:
  """Decodes an image: [H, W, 3] uint8, RGB."""
  return _decode(data, cv2.IMREAD_COLOR_RGB)


def decode_labels(data: bytes) -> np.ndarray:
  """Decodes labels: [H, W] uint8."""
  return _decode(data, cv2.IMREAD_GRAYSCALE)


def size_of(data: bytes) -> tuple[int, int]:
  """Reads the (height, width) of an image or labels from their PNG header."""
  width, height = struct.unpack('>II', data[16:24])
  return height, width


def encode_all(
  source: sources.Source, parts: pathlib.Path | None
) -> Iterator[tuple[int, Encoded]]:
  """Encodes all examples on all cores; yields (index, example) in order.

  The folder `parts`, if given, keeps encoded examples, so that a second call
  resumes an interrupted one. It must be for this source alone.
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
  # Threads suffice: decoding, resizing and encoding release the GIL.
  with concurrent.futures.ThreadPoolExecutor(workers) as pool:
    # Limits read-ahead, because results stay in memory until consumed.
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
  paths = [parts / f'{index}.{field}.png' for field in Encoded._fields]
  if not all(path.exists() for path in paths):
    return None
  return Encoded(*(path.read_bytes() for path in paths))


def _write(parts: pathlib.Path, index: int, example: Encoded) -> None:
  parts.mkdir(parents=True, exist_ok=True)
  for field, data in example._asdict().items():
    atomic_files.write(parts / f'{index}.{field}.png', data)


def _decode(data: bytes, mode: int) -> np.ndarray:
  pixels = cv2.imdecode(np.frombuffer(data, np.uint8), mode)
  if pixels is None:
    raise ValueError('an example is no PNG')
  return pixels


def _png(pixels: np.ndarray) -> bytes:
  done, data = cv2.imencode(
    '.png', pixels, [cv2.IMWRITE_PNG_COMPRESSION, _COMPRESSION]
  )
  if not done:
    raise errors.UserError(f'an image of shape {pixels.shape} has no PNG')
  return data.tobytes()
