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
from pointsup_jax.types import Example

# zlib level; docs/PERFORMANCE.md compares other encodings.
_COMPRESSION = 3


class Encoded(NamedTuple):
  """One encoded example."""

  image: bytes  # PNG, RGB
  labels: bytes  # PNG, grey, train ids
  depth: bytes | None = None  # PNG, grey, 16 bits


def encode(example: Example) -> Encoded:
  """Encodes image, labels and depth, if there is one, losslessly."""
  bgr = cv2.cvtColor(example.image, cv2.COLOR_RGB2BGR)
  depth = None if example.depth is None else _png(example.depth)
  return Encoded(_png(bgr), _png(example.labels), depth)


def decode_image(data: bytes) -> np.ndarray:
  """Decodes an image: [H, W, 3] uint8, RGB."""
  return _decode(data, cv2.IMREAD_COLOR_RGB)


def decode_labels(data: bytes) -> np.ndarray:
  """Decodes labels: [H, W] uint8."""
  return _decode(data, cv2.IMREAD_GRAYSCALE)


def decode_depth(data: bytes) -> np.ndarray:
  """Decodes depth: [H, W] uint16."""
  return _decode(data, cv2.IMREAD_UNCHANGED)


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
    encoded = encode(source[index])
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
  image, labels, depth = (
    parts / f'{index}.{field}.png' for field in Encoded._fields
  )
  if not (image.exists() and labels.exists()):
    return None
  return Encoded(
    image.read_bytes(),
    labels.read_bytes(),
    depth.read_bytes() if depth.exists() else None,
  )


def _write(parts: pathlib.Path, index: int, example: Encoded) -> None:
  parts.mkdir(parents=True, exist_ok=True)
  # Depth first, which not all sources have: the others show that it is there.
  for field, data in reversed(example._asdict().items()):
    if data is not None:
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
