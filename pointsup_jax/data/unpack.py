"""Unpacks the original archives of data sets."""

import errno
import os
import pathlib
import shutil
import zipfile

from pointsup_jax import errors
from pointsup_jax.hosts import progress, wording

# Data set -> its archives and the folders in them.
_GTA5 = tuple(
  f'{part:02}_{kind}.zip'
  for kind in ('images', 'labels')
  for part in range(1, 11)
)
ARCHIVES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
  'gta5': (_GTA5, ('images', 'labels')),
  'cityscapes': (
    ('leftImg8bit_trainvaltest.zip', 'gtFine_trainvaltest.zip'),
    ('leftImg8bit', 'gtFine'),
  ),
}


_DAMAGED = (None, errno.EINVAL)  # numbers of an OSError


def unpack(dataset: str, root: pathlib.Path) -> None:
  """Unpacks a data set's archives in `root`, unless its folders are there.

  Folders appear only when complete, and a second call resumes an interrupted
  one. Raises errors.UserError if some archives are missing or damaged; if there
  are none, nothing happens.
  """
  archives, folders = ARCHIVES.get(dataset, ((), ()))
  present = [name for name in archives if (root / name).is_file()]
  missing = [name for name in folders if not (root / name).is_dir()]
  if not present or not missing:
    return
  if len(present) < len(archives):
    absent = sorted(set(archives) - set(present))
    raise errors.UserError(
      f'{root} has {len(present)} of {len(archives)} archives of {dataset}; '
      f'{", ".join(absent[:3])} and maybe others are missing'
    )
  part = root / '.unpacking'
  for name in archives:
    _extract(root / name, part)
  for folder in missing:
    if not (part / folder).is_dir():
      raise errors.UserError(
        f'the archives of {dataset} in {root} hold no folder {folder}/'
      )
    os.replace(part / folder, root / folder)
  shutil.rmtree(part)


def _extract(archive: pathlib.Path, part: pathlib.Path) -> None:
  try:
    with zipfile.ZipFile(archive) as packed:
      members = [x for x in packed.infolist() if not x.is_dir()]
      title = f'unpacking {archive.name}'
      for member in progress.each(members, title, len(members), 'file'):
        # `extract` keeps members with absolute or '..' paths inside `part`.
        path = part / member.filename
        if not path.is_file() or path.stat().st_size != member.file_size:
          packed.extract(member, part)
  # Whatever is in the file decides what zipfile and its decompressors raise.
  except Exception as error:
    # A full disk is none of them. Damaged bzip2 data have no number, and wrong
    # offsets the one of an invalid argument.
    if isinstance(error, OSError) and error.errno not in _DAMAGED:
      raise
    raise errors.UserError(
      f'{archive} is no archive or damaged: {wording.first_line(error)}; get '
      'it again'
    ) from error
