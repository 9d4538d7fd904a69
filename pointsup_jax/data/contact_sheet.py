"""Draws a sheet of images with their labels over them."""

import pathlib
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pointsup_jax.data import classes as classes_lib
from pointsup_jax.data import transforms
from pointsup_jax.types import IGNORE, Example

_WIDTH = 320  # pixels of one image
_HIGHEST = 2 * _WIDTH  # pixels of one image
_LINE = 16  # pixels of a line of text
_OPACITY = 0.55  # of the labels


def overlay(
  image: np.ndarray, labels: np.ndarray, palette: np.ndarray
) -> np.ndarray:
  """Blends label colours over an image, but not over ignored pixels.

  Takes an image [H, W, 3] uint8, RGB, train ids [H, W] uint8 (255 = ignore) and
  a palette [C, 3] uint8. Returns [H, W, 3] uint8, RGB.
  """
  table = np.zeros((256, 3), np.float32)
  table[: len(palette)] = palette
  share = np.where(labels == IGNORE, 0.0, _OPACITY)[..., None]
  return np.rint(image * (1 - share) + table[labels] * share).astype(np.uint8)


def draw(
  path: pathlib.Path,
  rows: Sequence[tuple[str, Sequence[Example]]],
  classes: classes_lib.ClassSet,
) -> None:
  """Writes the sheet as a PNG, with a legend, and creates its folder.

  Each row has a title and examples; images stand above their overlays.
  """
  palette = np.array(classes.palette, np.uint8)
  strips = []
  for title, examples in rows:
    strips.append(_text(title))
    tiles = [_tile(example, palette) for example in examples]
    strips.append(np.concatenate(_equally_high(tiles), axis=1))
  strips.append(legend(classes))
  width = max(strip.shape[1] for strip in strips)
  sheet = np.concatenate([_pad(x, x.shape[0], width) for x in strips])
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.fromarray(sheet).save(path)


def _tile(example: Example, palette: np.ndarray) -> np.ndarray:
  height, width = example.image.shape[:2]
  scale = min(_WIDTH / width, _HIGHEST / height)
  size = (max(round(scale * height), 1), max(round(scale * width), 1))
  image = transforms.resize_image(example.image, size)
  labels = transforms.resize_labels(example.labels, size)
  both = np.concatenate([image, overlay(image, labels, palette)])
  both = _pad(both, None, _WIDTH)
  return _pad(np.concatenate([_text(example.name), both]), None, _WIDTH + 4)


def _equally_high(tiles: Sequence[np.ndarray]) -> list[np.ndarray]:
  height = max(tile.shape[0] for tile in tiles)
  return [_pad(tile, height, tile.shape[1]) for tile in tiles]


def _pad(x: np.ndarray, height: int | None, width: int) -> np.ndarray:
  padded = np.full((height or x.shape[0], width, 3), 255, np.uint8)
  padded[: x.shape[0], : x.shape[1]] = x[:, :width]
  return padded


def _text(text: str) -> np.ndarray:
  image = Image.new('RGB', (_WIDTH, _LINE), 'white')
  ImageDraw.Draw(image).text((2, 2), text[-52:], 'black')
  return np.asarray(image)


def can_draw(text: str) -> bool:
  """Whether the font has all letters of a text; it shows others as boxes."""
  font = ImageFont.load_default()
  box = bytes(font.getmask('\U0010ffff'))
  return all(
    letter.isspace() or bytes(font.getmask(letter)) != box for letter in text
  )


def legend(classes: classes_lib.ClassSet) -> np.ndarray:
  """Draws the names and colours of the classes: [H, W, 3] uint8, RGB.

  Classes whose names the font cannot show have their number.
  """
  columns = 4
  lines = -(-classes.num_classes // columns)
  image = Image.new('RGB', (columns * _WIDTH // 2, lines * _LINE + 8), 'white')
  pen = ImageDraw.Draw(image)
  for i, (name, color) in enumerate(
    zip(classes.names, classes.palette, strict=True)
  ):
    x, y = i % columns * _WIDTH // 2 + 4, i // columns * _LINE + 4
    pen.rectangle((x, y, x + 12, y + 12), fill=color, outline='black')
    shown = name if can_draw(name) else f'class {i}'
    pen.text((x + 18, y), shown, 'black')
  return np.asarray(image)
