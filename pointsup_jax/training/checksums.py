"""Checksums of a checkpoint's files: Orbax restores a flipped byte silently.

Stored beside the files, in the format of `sha256sum --check`.
"""

import hashlib
import pathlib
from collections.abc import Iterator

FILE = 'SHA256SUMS'


def write(folder: pathlib.Path) -> None:
  """Records the checksum of every file in the subfolders of `folder`.

  Files directly in `folder` are left out: a save writes to them until the end.
  """
  lines = [
    f'{_digest(path)}  {path.relative_to(folder).as_posix()}\n'
    for path in sorted(_files(folder))
    if path.parent != folder
  ]
  (folder / FILE).write_text(''.join(lines))


def damage(folder: pathlib.Path, parts: tuple[str, ...]) -> str | None:
  """Describes the first damaged file in subfolders `parts`, None if none is."""
  if not (folder / FILE).is_file():
    return f'{FILE} is missing'
  known = (folder / FILE).read_bytes().decode(errors='replace').splitlines()
  found = dict.fromkeys(parts, False)
  for line in known:
    digest, _, name = line.partition('  ')
    part = name.partition('/')[0]
    if part not in found:
      continue
    found[part] = True
    path = folder / name
    if not path.is_file():
      return f'{name} is missing'
    if _digest(path) != digest:
      return f'{name} is not as it was written'
  for part, is_known in found.items():
    if not is_known:
      return f'{FILE} says nothing of {part}'
  return None


def _files(folder: pathlib.Path) -> Iterator[pathlib.Path]:
  """All files below a folder; object stores have no '**'."""
  for path in folder.iterdir():
    if path.is_dir():
      yield from _files(path)
    else:
      yield path


def _digest(path: pathlib.Path) -> str:
  with path.open('rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()
