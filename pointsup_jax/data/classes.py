"""Class sets: names, colours and the ids that label files use."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pointsup_jax import errors
from pointsup_jax.data import class_examples, folders, palettes
from pointsup_jax.types import IGNORE

MAX_CLASSES = 254
# Characters that command the annotation page, and so are keys of no class.
PAGE_KEYS = frozenset('usizbm/?+=-.,; ')


@dataclasses.dataclass(frozen=True)
class ClassSet:
  """The classes that the network predicts, in the order of their train ids."""

  names: tuple[str, ...]
  palette: tuple[palettes.Color, ...]  # RGB of each class
  # The id of ignored pixels in label files, besides 255. If it is 0, those of
  # the classes begin at 1.
  ignore_id: int | None = None
  # Named groups of classes with their own mean IoU.
  subsets: Mapping[str, tuple[str, ...]] = dataclasses.field(
    default_factory=dict
  )
  # Keys of classes on the annotation page, of those that do not leave it to it.
  keys: Mapping[str, str] = dataclasses.field(default_factory=dict)
  # What belongs to a class, for those who label: of some or all.
  guide: Mapping[str, str] = dataclasses.field(default_factory=dict)
  # Image files that show a class, for the same people: likewise.
  examples: Mapping[str, tuple[pathlib.Path, ...]] = dataclasses.field(
    default_factory=dict
  )

  @property
  def num_classes(self) -> int:
    """The number of classes, C."""
    return len(self.names)

  @property
  def file_ids(self) -> range:
    """The ids of the classes in label files of an image folder."""
    first = 1 if self.ignore_id == 0 else 0
    return range(first, first + self.num_classes)

  @property
  def ignore_ids(self) -> tuple[int, ...]:
    """The ids that mean 'ignore' in label files."""
    own = () if self.ignore_id in (None, IGNORE) else (self.ignore_id,)
    return (*own, IGNORE)

  @property
  def subset_indices(self) -> dict[str, tuple[int, ...]]:
    """Train ids of the classes in each subset."""
    return {
      subset: tuple(self.names.index(name) for name in names)
      for subset, names in self.subsets.items()
    }


# Rows in the order of train ids: name, colour, labelId of Cityscapes and GTA5,
# id in SYNTHIA-RAND-CITYSCAPES.
_CITYSCAPES: tuple[tuple[str, palettes.Color, int, int], ...] = (
  ('road', (128, 64, 128), 7, 3),
  ('sidewalk', (244, 35, 232), 8, 4),
  ('building', (70, 70, 70), 11, 2),
  ('wall', (102, 102, 156), 12, 21),
  ('fence', (190, 153, 153), 13, 5),
  ('pole', (153, 153, 153), 17, 7),
  ('traffic light', (250, 170, 30), 19, 15),
  ('traffic sign', (220, 220, 0), 20, 9),
  ('vegetation', (107, 142, 35), 21, 6),
  ('terrain', (152, 251, 152), 22, 16),
  ('sky', (70, 130, 180), 23, 1),
  ('person', (220, 20, 60), 24, 10),
  ('rider', (255, 0, 0), 25, 17),
  ('car', (0, 0, 142), 26, 8),
  ('truck', (0, 0, 70), 27, 18),
  ('bus', (0, 60, 100), 28, 19),
  ('train', (0, 80, 100), 31, 20),
  ('motorcycle', (0, 0, 230), 32, 12),
  ('bicycle', (119, 11, 32), 33, 11),
)

_NAMES = tuple(name for name, *_ in _CITYSCAPES)
# Rare in SYNTHIA, so its 16- and 13-class scores leave them out.
_NOT_IN_16 = {'terrain', 'truck', 'train'}
_NOT_IN_13 = _NOT_IN_16 | {'wall', 'fence', 'pole'}

CITYSCAPES = ClassSet(
  names=_NAMES,
  palette=tuple(color for _, color, _, _ in _CITYSCAPES),
  subsets={
    '16': tuple(name for name in _NAMES if name not in _NOT_IN_16),
    '13': tuple(name for name in _NAMES if name not in _NOT_IN_13),
  },
)

# Classes of networks for SYNTHIA, as in ADVENT; the other three are ignored.
CITYSCAPES_16 = ClassSet(
  names=tuple(name for name in _NAMES if name not in _NOT_IN_16),
  palette=tuple(
    color for name, color, *_ in _CITYSCAPES if name not in _NOT_IN_16
  ),
  subsets={'13': tuple(name for name in _NAMES if name not in _NOT_IN_13)},
)

NAMED = {'cityscapes': CITYSCAPES, 'cityscapes_16': CITYSCAPES_16}

# Class -> id in the label files of Cityscapes and GTA5, and of SYNTHIA.
LABEL_IDS = {name: label_id for name, _, label_id, _ in _CITYSCAPES}
SYNTHIA_IDS = {name: synthia_id for name, *_, synthia_id in _CITYSCAPES}


def lookup_table(
  names: Sequence[str], file_ids: Mapping[str, int]
) -> np.ndarray:
  """Returns a [256] int16 table from label file ids to train ids.

  `names` are in the order of train ids, `file_ids` maps classes to their ids in
  files. Other ids map to 255. Raises errors.UsageError if `file_ids` lacks a
  class.
  """
  table = np.full(256, IGNORE, np.int16)
  for train_id, name in enumerate(names):
    if name not in file_ids:
      raise errors.UsageError(
        f'data.classes has {name!r}, which the data set lacks; it has '
        f'{", ".join(file_ids)}'
      )
    table[file_ids[name]] = train_id
  return table


def load(path: pathlib.Path | str) -> ClassSet:
  """Reads a class set from a JSON file.

  It holds {"classes": [name, ...]}, and optionally "ignore_id": id, "first_id":
  1 if ids begin there and 0 is ignored, "palette": [[r, g, b], ...], and, for
  the annotation page, "keys": {name: character, ...}, "guide": {name: what
  belongs to it, ...} and "examples": {name: [image file, ...], ...}, paths
  below the file's own folder. Raises errors.UserError if missing or malformed.
  """
  path = pathlib.Path(path)
  try:
    table = json.loads(folders.decode_text(path.read_bytes()))
    return of_table(table, path.parent)
  except OSError as error:
    raise errors.UserError(
      f'{path} cannot be read: {error.strerror}; data.classes must be '
      f'{" or ".join(map(repr, NAMED))}, or name a classes.json'
    ) from error
  except (errors.UserError, UnicodeDecodeError) as error:
    raise errors.UserError(f'{path}: {error}') from error
  # Besides JSON's own error: numbers of thousands of digits, deep nesting.
  except (ValueError, RecursionError) as error:
    raise errors.UserError(f'{path} is not JSON: {error}') from error


_FIELDS = {
  'classes', 'ignore_id', 'first_id', 'palette', 'keys', 'guide', 'examples',
}  # fmt: skip


def of_table(table: Any, folder: pathlib.Path = pathlib.Path()) -> ClassSet:
  """Makes a class set of what `load` reads; UserError if it is malformed.

  Its examples are below `folder`.
  """
  if not isinstance(table, dict):
    raise errors.UserError('must hold an object with the key "classes"')
  unknown = set(table) - _FIELDS
  if unknown:
    raise errors.UserError(
      f'unknown key {min(unknown)!r}; the keys are {", ".join(sorted(_FIELDS))}'
    )
  if 'classes' not in table:
    raise errors.UserError('the key "classes" is missing')
  names = _names(table['classes'])
  return ClassSet(
    names=names,
    palette=_palette(table.get('palette'), names),
    ignore_id=_ignore_id(
      table.get('ignore_id'), table.get('first_id', 0), names
    ),
    keys=_keys(table.get('keys', {}), names),
    guide=_guide(table.get('guide', {}), names),
    examples=class_examples.find(table.get('examples', {}), names, folder),
  )


def _names(names: Any) -> tuple[str, ...]:
  if not isinstance(names, list) or not all(
    isinstance(name, str) and name.strip() for name in names
  ):
    raise errors.UserError('"classes" must be a list of names')
  if not 2 <= len(names) <= MAX_CLASSES:
    raise errors.UserError(
      f'"classes" has {len(names)} names; there must be 2 to {MAX_CLASSES}'
    )
  for name in names:
    # Other tools' files, terminals and tables cannot keep such names.
    if name != name.strip() or not name.isprintable():
      raise errors.UserError(
        f'"classes" has {name!r}; names must be of printable characters and '
        'neither start nor end with a space'
      )
  twice = [name for name in names if names.count(name) > 1]
  if twice:
    raise errors.UserError(
      f'"classes" has {twice[0]!r} {names.count(twice[0])} times; '
      'names must differ'
    )
  return tuple(names)


def _palette(
  palette: Any, names: tuple[str, ...]
) -> tuple[palettes.Color, ...]:
  if palette is None:
    return palettes.of_names(names)
  if not isinstance(palette, list) or not all(map(_is_color, palette)):
    raise errors.UserError(
      '"palette" must be a list of [r, g, b], each 0 to 255'
    )
  if len(palette) != len(names):
    raise errors.UserError(
      f'"palette" has {len(palette)} colours but "classes" has {len(names)} '
      'names; leave it out or give one colour a class'
    )
  return tuple((red, green, blue) for red, green, blue in palette)


def _is_color(color: Any) -> bool:
  return (
    isinstance(color, list)
    and len(color) == 3
    and all(type(value) is int and 0 <= value <= 255 for value in color)
  )


def _keys(keys: Any, names: tuple[str, ...]) -> dict[str, str]:
  if not isinstance(keys, dict):
    raise errors.UserError('"keys" must be an object, of a character a class')
  for name, key in keys.items():
    if name not in names:
      raise errors.UserError(f'"keys" has {name!r}, which is no class')
    if not isinstance(key, str) or len(key) != 1 or not key.isprintable():
      raise errors.UserError(
        f'"keys" has {key!r} for {name!r}; it must be one printable character'
      )
    if key in PAGE_KEYS:
      taken = ' '.join(sorted(PAGE_KEYS - {' '}))
      raise errors.UserError(
        f'"keys" has {key!r} for {name!r}, a command of the annotation page; '
        f'choose another than space and {taken}'
      )
    for other in names[: names.index(name)]:
      if keys.get(other) == key:
        raise errors.UserError(
          f'"keys" has {key!r} for {other!r} and for {name!r}; keys must differ'
        )
  return dict(keys)


def _guide(guide: Any, names: tuple[str, ...]) -> dict[str, str]:
  if not isinstance(guide, dict):
    raise errors.UserError('"guide" must be an object, of a text a class')
  for name, text in guide.items():
    if name not in names:
      raise errors.UserError(f'"guide" has {name!r}, which is no class')
    if not isinstance(text, str) or not text.isprintable() or len(text) > 500:
      raise errors.UserError(
        f'"guide" has for {name!r} no line of at most 500 printable characters'
      )
  return dict(guide)


def _ignore_id(
  ignore_id: Any, first_id: Any, names: tuple[str, ...]
) -> int | None:
  if type(first_id) is not int or first_id not in (0, 1):
    raise errors.UserError(f'"first_id" is {first_id!r}; it must be 0 or 1')
  if first_id == 1:
    if ignore_id != 0:
      raise errors.UserError(
        f'"first_id" is 1 and "ignore_id" {json.dumps(ignore_id)}; set '
        '"ignore_id" to 0'
      )
    return 0
  if ignore_id is None:
    return None
  if type(ignore_id) is not int or not 0 <= ignore_id <= 255:
    raise errors.UserError(f'"ignore_id" is {ignore_id!r}; it must be 0 to 255')
  if ignore_id < len(names):
    hint = (
      '; if "classes" lists the ids from 1 on, add "first_id": 1'
      if ignore_id == 0
      else ''
    )
    raise errors.UserError(
      f'"ignore_id" is {ignore_id}, the id of class {names[ignore_id]!r}; '
      f'it must be {len(names)} to 255{hint}'
    )
  return ignore_id
