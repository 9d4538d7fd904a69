"""GTA5, SYNTHIA and Cityscapes in their official layouts.

All three have the 19 classes of Cityscapes; a run may use a subset.
"""

import pathlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from pointsup_jax import errors
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.data import folders, image_files, paired_files
from pointsup_jax.data.paired_files import Files, Labelling
from pointsup_jax.hosts import progress, wording


class Layout(NamedTuple):
  """The layout of a data set."""

  find: Callable[[pathlib.Path, str], dict[str, Files]]  # (root, split)
  ids: Mapping[str, int]  # class -> its id in label files
  read_ids: Callable[[pathlib.Path, str], np.ndarray] = image_files.read_ids

  def labelling(self, classes: classes_lib.ClassSet) -> Labelling:
    """Maps ids of the given classes to train ids, all others to 255."""
    table = classes_lib.lookup_table(classes.names, self.ids)
    return Labelling(table, valid='0 to 255', read_ids=self.read_ids)


def find_gta5(root: pathlib.Path, split: str) -> dict[str, Files]:
  """images/00001.png and labels/00001.png, palette or grey, ids as Cityscapes.

  The split is 'all', as in published methods.
  """
  _require_split('gta5', split, ('all',))
  return _pair_up(root, 'images', lambda image: f'labels/{image.name}')


def find_synthia(root: pathlib.Path, split: str) -> dict[str, Files]:
  """SYNTHIA-RAND-CITYSCAPES: RGB/*.png and GT/LABELS/*.png, 16 bits a channel.

  The split is 'all'; the first channel of a label has the class, that of
  Depth/*.png centimetres.
  """
  _require_split('synthia_rand_cityscapes', split, ('all',))
  pairs = _pair_up(root, 'RGB', lambda image: f'GT/LABELS/{image.name}')
  return {
    name: pair._replace(depth=f'Depth/{name}.png')
    for name, pair in pairs.items()
  }


def find_cityscapes(root: pathlib.Path, split: str) -> dict[str, Files]:
  """leftImg8bit/SPLIT/CITY/*_leftImg8bit.png and gtFine/.../*_labelIds.png.

  Names are city/city_sequence_frame.
  """
  _require_split('cityscapes', split, ('train', 'val', 'test'))
  ending = '_leftImg8bit.png'

  def label(image: pathlib.Path) -> str:
    stem = image.name.removesuffix(ending)
    return f'gtFine/{split}/{image.parent.name}/{stem}_gtFine_labelIds.png'

  folder = f'leftImg8bit/{split}'
  pairs = _pair_up(root, folder, label, depth=2, ending=ending)
  return {k.removesuffix('_leftImg8bit'): v for k, v in pairs.items()}


LAYOUTS = {
  'gta5': Layout(find_gta5, classes_lib.LABEL_IDS),
  'synthia_rand_cityscapes': Layout(
    find_synthia, classes_lib.SYNTHIA_IDS, image_files.read_first_of_16_bits
  ),
  'cityscapes': Layout(find_cityscapes, classes_lib.LABEL_IDS),
}


def file_ids(dataset: str, classes: classes_lib.ClassSet) -> np.ndarray:
  """Returns the id of each class in a data set's label files: [C] uint8."""
  if dataset in LAYOUTS:
    ids = [LAYOUTS[dataset].ids[name] for name in classes.names]
    return np.array(ids, np.uint8)
  return np.array(classes.file_ids, np.uint8)


def open_split(
  dataset: str,
  root: pathlib.Path,
  split: str,
  classes: classes_lib.ClassSet,
  size: tuple[int, int] | None,
  *,
  labelled: bool = True,
  depth: bool = False,
) -> paired_files.PairedFiles:
  """Opens a split; skips and reports pairs whose sizes differ (GTA5 has some).

  `classes` are any of the 19 of Cityscapes. `size` is (height, width); None: as
  on disk. Unless `labelled`, labels are not read and are all 255; with `depth`,
  SYNTHIA's depth is read. Raises errors.UserError if labels or depth are
  missing or no pair matches.
  """
  layout = LAYOUTS[dataset]
  labelling = layout.labelling(classes) if labelled else None
  pairs = layout.find(root, split)
  if labelled:
    paired_files.require_labels(root, pairs)
  # Even without labels, so that a split has the same images either way.
  with_label = {k: v for k, v in pairs.items() if (root / v.label).is_file()}
  wrong = paired_files.mismatches(root, with_label)
  if len(wrong) == len(pairs):
    paired_files.refuse(root, list(wrong.values()))
  if wrong:
    progress.say(
      f'{root}: {len(wrong)} of {len(pairs)} pairs are left out: '
      f'{wording.few(list(wrong.values()))}'
    )
  kept = {name: pair for name, pair in pairs.items() if name not in wrong}
  if depth:
    paired_files.require_depth(root, kept)
  return paired_files.PairedFiles(root, kept, labelling, size, depth=depth)


def other_files(dataset: str, root: pathlib.Path, split: str) -> list[str]:
  """Lists images of a split that are not PNGs and therefore not read."""
  top = {
    'gta5': root / 'images',
    'synthia_rand_cityscapes': root / 'RGB',
    'cityscapes': root / 'leftImg8bit' / split,
  }[dataset]
  return [
    file.relative_to(root).as_posix()
    for file in folders.images_below(top)
    if file.suffix.lower() != '.png'
  ]


def _pair_up(
  root: pathlib.Path,
  folder: str,
  label: Callable[[pathlib.Path], str],
  *,
  depth: int = 1,
  ending: str = '.png',
) -> dict[str, Files]:
  """Maps names to images `depth` levels below root/folder and their labels."""
  top = root / folder
  if not top.is_dir():
    raise errors.UserError(
      f'there is no folder {top}; set data.root and the data.source.root, '
      'data.target.root below it to where the data set lies'
    )
  found = sorted(x.relative_to(top) for x in folders.images_below(top))
  images = [
    image
    for image in found
    if len(image.parts) == depth and image.name.endswith(ending)
  ]
  if not images:
    raise errors.UserError(f'{top} has no images {"*/" * (depth - 1)}*{ending}')
  folders.require_names((f'{folder}/{image}' for image in images), root)
  return {
    image.with_suffix('').as_posix(): Files(f'{folder}/{image}', label(image))
    for image in images
  }


def _require_split(dataset: str, split: str, splits: tuple[str, ...]) -> None:
  if split not in splits:
    raise errors.UsageError(
      f'{dataset} has no split {split!r}; it has {", ".join(splits)}'
    )
