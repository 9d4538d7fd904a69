"""Rendered scenes in the folder layouts of GTA5, SYNTHIA and Cityscapes."""

import pathlib
from typing import Any

import cv2
import numpy as np
from PIL import Image

from pointsup_jax.data import classes
from pointsup_jax.data.streets import scenes

# From the recipe: id in files -> train id.
SYNTHIA_IDS = {
  3: 0, 4: 1, 2: 2, 21: 3, 5: 4, 7: 5, 15: 6, 9: 7, 6: 8, 16: 9, 1: 10, 10: 11,
  17: 12, 8: 13, 18: 14, 19: 15, 20: 16, 12: 17, 11: 18,
}  # fmt: skip


def scene(look: str, index: int, size: tuple[int, int]):
  """An image and its train ids, with an ignored corner."""
  image, labels = scenes.render(look, 'train', index, 0, size)
  labels[:4, :6] = 255
  return image, labels


def file_ids(labels: np.ndarray, ids: dict[str, int], other: int):
  """Maps train ids to file ids; `other` replaces ignored ones."""
  table = np.full(256, other, np.uint8)
  table[: len(ids)] = list(ids.values())
  return table[labels]


def save(
  path: pathlib.Path, image: Image.Image | np.ndarray, **options: Any
) -> pathlib.Path:
  """Saves an image and creates its folders; `options` go to Image.save."""
  path.parent.mkdir(parents=True, exist_ok=True)
  if isinstance(image, np.ndarray):
    image = Image.fromarray(image)
  image.save(path, **options)
  return path


def save_depth(path: pathlib.Path, depth: np.ndarray, channels: int = 1):
  """Saves depth [H, W] uint16 in so many equal channels."""
  path.parent.mkdir(parents=True, exist_ok=True)
  pixels = depth if channels == 1 else np.dstack([depth] * channels)
  assert cv2.imwrite(str(path), pixels)


def gta5(root: pathlib.Path, count: int, size: tuple[int, int]):
  """images/00001.png and labels/00001.png, palette PNGs of labelIds."""
  for i in range(count):
    image, labels = scene('game', i, size)
    save(root / f'images/{i + 1:05}.png', image)
    palette = Image.fromarray(file_ids(labels, classes.LABEL_IDS, 0), 'P')
    # No colour equals its index, so reading colours would fail.
    palette.putpalette([x for i in range(256) for x in (255 - i, i, 7)])
    save(root / f'labels/{i + 1:05}.png', palette)


def synthia(root: pathlib.Path, count: int, size: tuple[int, int]):
  """RGB/*.png and 16-bit GT/LABELS/*.png with classes in the first channel.

  Depth/*.png too, in three equal channels.
  """
  for i in range(count):
    image, labels = scene('game', i, size)
    save(root / f'RGB/{i:07}.png', image)
    pixels = np.zeros((*size, 3), np.uint16)
    pixels[..., 2] = file_ids(labels, classes.SYNTHIA_IDS, 0)  # BGR: red last
    pixels[..., 1] = 1000 + i  # instances
    path = root / f'GT/LABELS/{i:07}.png'
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)
    _, canvas = scenes.draw('game', 'train', i, 0, size)
    save_depth(root / f'Depth/{i:07}.png', scenes.centimetres(canvas), 3)


def cityscapes(root: pathlib.Path, split: str, count: int, size):
  """leftImg8bit/SPLIT/CITY/... and gtFine/SPLIT/CITY/... of labelIds.

  Each split has other scenes.
  """
  first = 20 * ('train', 'val', 'test').index(split)
  for i in range(count):
    image, labels = scene('camera', first + i, size)
    city = ('aachen', 'bochum')[i % 2]
    stem = f'{split}/{city}/{city}_{i:06}_000019'
    save(root / f'leftImg8bit/{stem}_leftImg8bit.png', image)
    ids = file_ids(labels, classes.LABEL_IDS, 3)
    save(root / f'gtFine/{stem}_gtFine_labelIds.png', ids)
    save(root / f'gtFine/{stem}_gtFine_color.png', image)
