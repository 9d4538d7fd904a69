"""Colours of classes that come without: known names, then distinct ones.

Known names have the colours that people expect, most of them Cityscapes'. The
others are from a fixed list, the farthest of all colours each time from those
before it (CIEDE2000) and from black, white and two greys, which stand for what
is no class. The first 40 are at least 15 apart.
"""

import functools
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

Color: TypeAlias = tuple[int, int, int]  # RGB, 0 to 255

# In OKLab, of a listed colour from those of known names.
_APART = 0.12
_KNOWN: dict[str, Color] = {
  'road': (128, 64, 128),
  'sidewalk': (244, 35, 232),
  'parking': (250, 170, 160),
  'rail track': (230, 150, 140),
  'building': (70, 70, 70),
  'wall': (102, 102, 156),
  'fence': (190, 153, 153),
  'guard rail': (180, 165, 180),
  'bridge': (150, 100, 100),
  'tunnel': (150, 120, 90),
  'pole': (153, 153, 153),
  'traffic light': (250, 170, 30),
  'traffic sign': (220, 220, 0),
  'vegetation': (107, 142, 35),
  'terrain': (152, 251, 152),
  'sky': (70, 130, 180),
  'person': (220, 20, 60),
  'rider': (255, 0, 0),
  'car': (0, 0, 142),
  'truck': (0, 0, 70),
  'bus': (0, 60, 100),
  'train': (0, 80, 100),
  'motorcycle': (0, 0, 230),
  'bicycle': (119, 11, 32),
  # Not of Cityscapes.
  'water': (0, 170, 240),
  'grass': (60, 190, 40),
  'field': (180, 190, 110),
  'soil': (140, 80, 30),
  'sand': (240, 205, 140),
  'rock': (120, 120, 90),
  'snow': (205, 228, 250),
  'fire': (255, 115, 10),
}
_SYNONYMS = {
  'road': 'street, asphalt, carriageway, lane',
  'sidewalk': 'pavement, footpath, footway, walkway',
  'building': 'house, roof',
  'pole': 'column',
  'traffic sign': 'sign, sign symbol',
  'traffic light': 'stoplight',
  'vegetation': 'tree, plant, bush, shrub, forest, foliage, hedge',
  'person': 'pedestrian, human, people, man, woman',
  'rider': 'cyclist, bicyclist, motorcyclist',
  'car': 'automobile, vehicle, van',
  'truck': 'lorry',
  'motorcycle': 'motorbike',
  'bicycle': 'bike',
  'water': 'sea, lake, river, ocean, pond',
  'grass': 'lawn, meadow',
  'field': 'crop, farmland',
  'soil': 'ground, earth, dirt, mud',
  'sand': 'beach',
  'rock': 'stone, gravel, cliff',
  'snow': 'ice',
}
_NAMES = {name: name for name in _KNOWN} | {
  word: name for name, words in _SYNONYMS.items() for word in words.split(', ')
}
_LISTED = """
  c300ff 00f000 f00000 f0c300 00871e 0078f0 00e1d2 ffa5f0 966900 b40f5a ffa578
  008787 002dc3 2dc3ff 782d00 3c4b00 c37887 b4c387 786996 a5b4ff 0f4b3c 780f78
  969600 78785a 00b478 ff2db4 005a78 ffd2d2 d2f000 875a5a b49669 d2690f ff005a
  4b3c5a f0d2a5 87b4b4 9678ff 96f0b4 b4a5c3 a5001e 69b40f f09600 697887 96f0ff
  b478b4 ff695a 694b1e 3c96b4 3c785a c3e1d2 96694b 78965a 784bc3 964b87 f069ff
  69780f c39687 3c5aa5 4b6969 005a1e c3d2e1 ff96b4 877878 5aa5ff 8796b4 5a3c3c
  e1d2ff a54b00 c3c3b4 b45a4b c39600 87c3a5 c3f087 c396f0 695a69 3c5aff 699687
  c3c33c 4b5a3c 782d4b 00c3d2 00b4a5 4b3c87 d200b4 c3b4b4 0f78a5 4bd269 6978b4
  969678 6900b4 a58796 ff783c 78692d c3785a a55ac3 f0e187 d24b78 d2a5b4 ff6987
  d2b469 d20f3c 009678 78695a 3c4b69 5a1eff 9687c3 966987 1ea53c 5a4b3c ffc3e1
  3c6900 a500c3 00ff87 782d2d b42d0f 0fffd2 ffb4a5 e1e1b4 f078c3 ffb469 87a5b4
  a50078 2d4b4b a5d2ff 6987ff 788787 968778 96d200 96874b e1d2e1 78b469 006969
  e19696 b4782d 00d2a5 e1b496 2d7887 f0e100 5a960f a5a55a a54b5a a5f0e1 a5d2e1
  d25a2d 874b2d f00ff0 4b4b3c d296c3 d29669 d26969 5a783c 96a596 b4a596 ff871e
  f0d2c3 877800 ffd278 784b69 f02d3c d21e87 b4b4c3 693c78 c3e1b4 ffb40f 878796
  5a6987 87d2d2 874bff c36996 a5b4b4 4b5a69 c35aff 2da5e1 00a5b4 5a4b00 00783c
  d25ac3 7869d2 a57878 698769 c3d2ff 0069b4 2d965a 693c2d 96784b e1b4ff 961e3c
  697869 0f3c96 785a4b 4bb4d2 5a8787 9696f0 96d287 870f00 004b78 ff4b00 f05a96
  96b400 875a1e 695a3c 00e1ff 0087d2 d2d2d2 b4b4e1 2d4b1e 967869 4b4bc3 963c2d
  69a578 5a5a87 87e15a b4c3a5 d21e5a 5a5a2d 69695a 9669a5 2d5a3c 6987a5 787896
  f08769 2d4b5a 00c31e 96c35a c378e1 9687a5 692d5a 787878 d2c3b4 96b4d2 007869
  d2e169 a5871e 96a578 4b4b5a 963c69 696978 69f0f0 962d96 b48769 9600ff 5a4b4b
  d2001e 87963c 785a00 3c4b3c 00f0a5 d2873c 78e1c3 b49696 e1b4e1 a56978 878778
  b4693c
"""


def of_names(names: Sequence[str]) -> tuple[Color, ...]:
  """A colour for each class; no two are the same.

  The first of several names for one thing has its known colour.
  """
  colors: dict[str, Color] = {}
  for name in names:
    color = known(name)
    if color and color not in colors.values():
      colors[name] = color
  used = list(colors.values())
  free = iter(distinct(len(names) - len(used), used))
  return tuple(colors[x] if x in colors else next(free) for x in names)


def known(name: str) -> Color | None:
  """The colour that a class of this name has everywhere, if there is one."""
  words = name.lower().replace('_', ' ').replace('-', ' ').strip()
  for word in (words, words.removesuffix('s')):
    if word in _NAMES:
      return _KNOWN[_NAMES[word]]
  return None


def distinct(count: int, used: Sequence[Color] = ()) -> tuple[Color, ...]:
  """The first of the list that are apart from those used, then the others."""
  listed = _listed()
  if not used:
    return listed[:count]
  distance = np.linalg.norm(
    _oklab(listed)[:, None] - _oklab(used)[None], axis=-1
  ).min(axis=1)
  apart = [i for i in range(len(listed)) if distance[i] >= _APART]
  near = [i for i in np.argsort(-distance, kind='stable') if i not in apart]
  return tuple(listed[i] for i in (*apart, *near)[:count])


@functools.cache
def _listed() -> tuple[Color, ...]:
  return tuple(
    (value >> 16, value >> 8 & 255, value & 255)
    for value in (int(word, 16) for word in _LISTED.split())
  )


def _oklab(colors: Sequence[Color]) -> np.ndarray:
  """Converts sRGB to OKLab (Ottosson, 2020), [N, 3]."""
  x = np.array(colors, float) / 255
  linear = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
  to_cones = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
  ]
  to_lab = [
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
  ]
  return np.cbrt(linear @ np.transpose(to_cones)) @ np.transpose(to_lab)
