"""Digests of the data's files, by which a change of the data is noticed.

A label file is read whole, a file of an image or of depth of more than 1 MiB
only at its ends.
That finds every edit of a PNG, which ends in a checksum of its pixels, and of a
JPEG that was encoded again. It misses bytes changed in place in the middle of a
large JPEG. A file with the size and times of before counts as unchanged without
being read.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from pointsup_jax import errors
from pointsup_jax.data.paired_files import Files
from pointsup_jax.hosts import progress, wording

_SMALL = 1 << 20  # bytes of an image file that is read whole
_END = 256 << 10  # bytes read at each end of a larger one


class Entry(NamedTuple):
  """One file."""

  state: str  # size, and times of modification and of change in ns
  digest: str


Table: TypeAlias = dict[str, Entry]  # by image name
# 'images' and, where they are read, 'labels' and 'depths'.
Identity: TypeAlias = dict[str, Table]


class Change(NamedTuple):
  """What happened to some files of one kind."""

  kind: str  # 'images', 'labels' or 'depths'
  how: str  # 'changed', 'added' or 'removed'
  names: list[str]


def read(
  root: pathlib.Path,
  pairs: Mapping[str, Files],
  known: Identity,
  *,
  labelled: bool,
  depth: bool = False,
) -> Identity:
  """Identifies the files of a split; those missing are left out.

  Digests in `known` are taken over for files that nobody has touched. Raises
  errors.UserError if a file cannot be read.
  """
  paths = {'images': {name: root / pair.image for name, pair in pairs.items()}}
  if labelled:
    paths['labels'] = {name: root / pair.label for name, pair in pairs.items()}
  if depth:
    paths['depths'] = {name: root / pair.depth for name, pair in pairs.items()}
  return {
    kind: _table(of_kind, known.get(kind, {}), whole=kind == 'labels')
    for kind, of_kind in paths.items()
  }


def _table(
  paths: Mapping[str, pathlib.Path], known: Table, *, whole: bool
) -> Table:
  states = {name: state(path) for name, path in paths.items()}
  found = {
    name: entry
    for name, entry in known.items()
    if states.get(name) == entry.state
  }
  new = [name for name, now in states.items() if now and name not in found]
  with concurrent.futures.ThreadPoolExecutor() as pool:
    entries = pool.map(lambda name: entry_of(paths[name], whole=whole), new)
    for name, entry in zip(
      new, progress.each(entries, 'looking for changes', len(new)), strict=True
    ):
      found[name] = entry
  return found


def entry_of(path: pathlib.Path, *, whole: bool = False) -> Entry:
  """Identifies a file; errors.UserError if it cannot be read."""
  # In this order: a file that changes meanwhile is read again next time.
  return Entry(state(path), digest(path, whole=whole))


def is_same(path: pathlib.Path, known: Entry) -> bool:
  """Whether an image file is what it was; reads it if it was touched."""
  return state(path) == known.state or digest(path) == known.digest


def state(path: pathlib.Path) -> str:
  """What changes when a file is touched; '' if it is missing."""
  try:
    about = os.stat(path)
  except (FileNotFoundError, NotADirectoryError):
    return ''
  return f'{about.st_size} {about.st_mtime_ns} {about.st_ctime_ns}'


def digest(path: pathlib.Path, *, whole: bool = False) -> str:
  """The digest of a file; errors.UserError if it cannot be read."""
  try:
    with path.open('rb') as file:
      size = os.fstat(file.fileno()).st_size
      if whole or size <= _SMALL:
        content = file.read()
      else:
        content = size.to_bytes(8) + file.read(_END)
        file.seek(-_END, os.SEEK_END)
        content += file.read()
  except OSError as error:
    raise errors.UserError(f'{path} cannot be read: {error}') from error
  return hashlib.blake2b(content, digest_size=16).hexdigest()


def changes(before: Identity, now: Identity) -> list[Change]:
  """What differs; a kind that one of the two lacks does not."""
  found = []
  same = before['images'].keys() & now['images'].keys()
  for kind in sorted(before.keys() & now.keys()):
    one, two = before[kind], now[kind]
    if kind != 'images':  # those of other images go without saying
      one = {name: entry for name, entry in one.items() if name in same}
      two = {name: entry for name, entry in two.items() if name in same}
    both = one.keys() & two.keys()
    changed = [name for name in both if one[name].digest != two[name].digest]
    found += [
      Change(kind, 'changed', sorted(changed)),
      Change(kind, 'added', sorted(two.keys() - both)),
      Change(kind, 'removed', sorted(one.keys() - both)),
    ]
  return [change for change in found if change.names]


def in_words(found: list[Change]) -> str:
  """Says what has changed: '1 image removed (a), 2 labels changed (b, c)'."""
  return ', '.join(
    f'{len(names)} {kind if len(names) > 1 else kind[:-1]} {how} '
    f'({wording.few(names)})'
    for kind, how, names in found
  )


def fingerprint(identity: Identity) -> str:
  """One digest of all files and their names."""
  digests = {
    kind: {name: entry.digest for name, entry in table.items()}
    for kind, table in identity.items()
  }
  content = json.dumps(digests, sort_keys=True).encode()
  return hashlib.blake2b(content, digest_size=16).hexdigest()


def to_json(identity: Identity) -> dict[str, dict[str, str]]:
  """An object with one string a file."""
  return {
    kind: {name: ' '.join(entry) for name, entry in table.items()}
    for kind, table in identity.items()
  }


def from_json(value: Any) -> Identity:
  """Reads an object of `to_json`; ValueError if it is none."""
  try:
    found = {
      kind: {
        name: Entry(*entry.rsplit(' ', 1)) for name, entry in table.items()
      }
      for kind, table in value.items()
    }
  except (AttributeError, TypeError) as error:
    raise ValueError('not the digests of files') from error
  if 'images' not in found:
    raise ValueError('no digests of images')
  return found
