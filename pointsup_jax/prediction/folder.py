"""The prediction folder: labels/, overlays/, entropy/ and these files.

model.json       the model and settings that made the predictions
classes.json     names and colours of the train ids, as data.classes reads them
legend.png       the same as a picture
images.jsonl     one line per finished image
"""

import pathlib
import shutil
from typing import Any, TypedDict

import numpy as np
from PIL import Image

from pointsup_jax import errors
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.data import contact_sheet, identity, image_files
from pointsup_jax.hosts import (
  atomic_files,
  json_files,
  paths,
  progress,
  wording,
)
from pointsup_jax.prediction import georeference
from pointsup_jax.prediction.inputs import Picture
from pointsup_jax.prediction.segmenting import Prediction

_TREES = ('labels', 'overlays', 'entropy')
_FILES = ('images.jsonl', 'classes.json', 'legend.png', 'model.json')


class _Finished(TypedDict):
  """What is read of a line of images.jsonl."""

  name: str
  image: str
  state: str
  digest: str


class Folder:
  """Predictions of one model, added to by any number of commands."""

  def __init__(
    self,
    root: pathlib.Path,
    about: dict[str, Any],
    classes: classes_lib.ClassSet,
  ) -> None:
    """Opens or creates a folder; writes its model.json, classes and legend.

    `about` holds everything that determines the predictions, as JSON; its
    `ids` are those that stand for the classes in labels.

    Raises:
      errors.UsageError: it holds other files or another `about`.
    """
    self.root, self._palette = root, np.array(classes.palette, np.uint8)
    self._ids = np.array(about['ids'], np.uint8)
    self._colors = np.zeros((256, 3), np.uint8)  # of ids
    self._colors[self._ids] = self._palette
    # GeoTIFFs whose labels have no coordinates, as the library is missing.
    self.unplaced: list[str] = []
    self._log = root / 'images.jsonl'
    made_by = root / 'model.json'
    if made_by.exists():
      _require_same(root, _description(made_by), about)
    elif root.exists() and (not root.is_dir() or _others(root)):
      raise errors.UsageError(
        f'--out: {root} is not empty and holds no predictions; choose another'
      )
    root.mkdir(parents=True, exist_ok=True)
    json_files.write(made_by, about)
    json_files.write(
      root / 'classes.json',
      {
        'classes': list(classes.names),
        'palette': [list(color) for color in classes.palette],
      },
    )
    Image.fromarray(contact_sheet.legend(classes)).save(root / 'legend.png')
    lines = json_files.read_lines(self._log, json_files.shaped(_Finished))
    # Later lines replace earlier ones.
    self._finished = {line['name']: line for line in lines}

  def left_to_do(self, pictures: list[Picture]) -> list[Picture]:
    """Images without complete predictions, or changed since, which it says.

    Raises:
      errors.UsageError: two image files would share the same predictions.
    """
    left, changed = [], []
    for picture in pictures:
      known = self._finished.get(picture.name)
      if known is not None and known['image'] != str(picture.path):
        raise errors.UsageError(
          f'--out: {self._path("labels", picture.name)} is the prediction of '
          f'{known["image"]}, not of {picture.path}; choose another --out, or '
          '--overwrite'
        )
      if known is None or not all(
        self._path(tree, picture.name).is_file() for tree in _TREES
      ):
        left.append(picture)
      elif not identity.is_same(
        picture.path,
        identity.Entry(known['state'], known['digest']),
      ):
        left.append(picture)
        changed.append(picture.name)
    if changed:
      progress.say(
        f'changed since they were predicted, predicted anew: '
        f'{wording.few(changed)}'
      )
    return left

  def write(
    self, picture: Picture, image: np.ndarray, prediction: Prediction
  ) -> None:
    """Writes the three PNGs of an RGB image [H, W, 3] uint8.

    And, where the image file lies on the Earth, what says so.
    """
    made = {tree: self._made(tree, picture.name) for tree in _TREES}
    labels = self._ids[prediction.labels]
    grey = np.rint(prediction.entropy * 255).astype(np.uint8)
    image_files.write_labels(made['labels'], labels, self._colors)
    Image.fromarray(grey).save(made['entropy'])
    overlay = contact_sheet.overlay(image, prediction.labels, self._palette)
    Image.fromarray(overlay).save(made['overlays'], compress_level=1)
    for suffix, path in georeference.world_files(picture.path).items():
      for tree in _TREES:
        shutil.copyfile(path, self._made(tree, picture.name, suffix))
    if not georeference.is_geotiff(picture.path):
      return
    if not georeference.can_write():
      self.unplaced.append(str(picture.path))
    else:
      colors = {i: tuple(self._colors[i].tolist()) for i in self._ids.tolist()}
      for tree, pixels, palette in (
        ('labels', labels, colors),
        ('entropy', grey, None),
      ):
        path = self._made(tree, picture.name, '.tif')
        georeference.write_geotiff(picture.path, path, pixels, palette)

  def finish(
    self, picture: Picture, file: identity.Entry, prediction: Prediction
  ) -> None:
    """Records in images.jsonl that an image's files are complete.

    `file` is what the image file was when it was read.
    """
    line = {
      'name': picture.name,
      'image': str(picture.path),
      **file._asdict(),
      'size': list(prediction.labels.shape),
      'mean_entropy': round(float(prediction.entropy.mean()), 6),
    }
    json_files.append(self._log, line)

  def _path(self, tree: str, name: str) -> pathlib.Path:
    return self.root / tree / f'{name}.png'

  def _made(self, tree: str, name: str, suffix: str = '.png') -> pathlib.Path:
    """Like `_path`; creates the folder and refuses links out of the root."""
    path = paths.inside(self.root, f'{tree}/{name}{suffix}')
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def clear(root: pathlib.Path) -> None:
  """Deletes a folder's predictions; UsageError if it holds anything else."""
  if not root.exists() or not _others(root):
    return
  if not (root / 'model.json').exists():
    raise errors.UsageError(
      f'--overwrite: {root} holds no predictions (no model.json); delete it '
      'yourself or choose another --out'
    )
  progress.say(f'--overwrite: deletes the predictions in {root}')
  for tree in _TREES:
    shutil.rmtree(root / tree, ignore_errors=True)
  # model.json goes last, so that an interrupted deletion can be repeated.
  for name in _FILES:
    (root / name).unlink(missing_ok=True)


def _others(root: pathlib.Path) -> list[pathlib.Path]:
  """What a folder holds besides the rest of an interrupted start."""
  rest = atomic_files.part_of(root / 'model.json')
  return [path for path in root.iterdir() if path != rest]


def _description(path: pathlib.Path) -> Any:
  try:
    return json_files.read(path)
  except errors.UserError as error:
    raise errors.UserError(
      f'{path} is damaged; choose another --out, or --overwrite'
    ) from error


def _require_same(root: pathlib.Path, known: Any, about: dict) -> None:
  if known == about:
    return
  changed = [
    f'{field} was {known.get(field)!r}, now {about.get(field)!r}'
    for field in about
    if known.get(field) != about[field]
  ]
  raise errors.UsageError(
    f'--out: {root} holds other predictions: {"; ".join(changed)}; choose '
    'another --out, or --overwrite'
  )
