"""Runs in an object store: gs://BUCKET/... of Google Cloud Storage.

Object stores have no renaming, appending or locks, and cannot hold SQLite.
Orbax writes checkpoints there directly, from all processes; everything else is
small and written by the first process, on a local copy.
"""

import contextlib
import itertools
import pathlib
import shutil
import tempfile
import weakref
from collections.abc import Iterator

from etils import epath

from pointsup_jax import errors
from pointsup_jax.hosts import lock, processes, wording

_SCHEME = 'gs://'
# Not copied: written to the store directly, or specific to this machine.
_CHECKPOINTS = 'checkpoints'
_NOT_COPIED = ('run.lock', 'acquire/annotations.lock')
# Prefix of copies' names, distinctive because stale ones are deleted.
_OWN = '.pointsup_jax_copy_'
_NEW = '.new'
_LOCK = 'lock'


def is_remote(folder: object) -> bool:
  """Whether a folder's name is a URL, of any store."""
  return '://' in str(folder)


def require_local(folder: str, flag: str) -> None:
  """Raises errors.UsageError for a folder in a store."""
  if is_remote(folder):
    raise errors.UsageError(
      f'{flag}={folder} has to be on a local disk: only --workdir may be in a '
      'store; copy it with gcloud storage cp -r'
    )


def to_label(folder: object) -> str:
  """The end of a sentence: how to label the points of a run in a store."""
  local = f'runs/{pathlib.PurePosixPath(str(folder)).name}'
  return (
    'people label a local copy: '
    f"gcloud storage rsync -r --exclude='.*checkpoints/.*' {folder} {local} "
    f'(make that folder first), label with --workdir={local}, then gcloud '
    'storage rsync -r --delete-unmatched-destination-objects '
    f'{local}/acquire {folder}/acquire, and run this again'
  )


class Mirror:
  """A local copy of a folder in a store, without its checkpoints.

  Each process copies the `remote` folder to its own temporary one, `local`. The
  first process pushes; the others only pull.
  """

  def __init__(self, remote: str, mark: str) -> None:
    """Copies the folder.

    Args:
      remote: the folder's URL; it need not exist.
      mark: a file that identifies such folders; it is deleted last.

    Raises:
      errors.UsageError: a non-empty folder lacks `mark`, or no gs:// URL.
      errors.UserError: it cannot be read.
    """
    with errors.needs('gcs', f'--workdir={remote}'):
      import fsspec
      import gcsfs  # noqa: F401  # fsspec needs it

    # Other processes and TensorStore write there too. Set globally because
    # Orbax makes its own instance through epath.
    fsspec.config.conf.setdefault('gcs', {})['use_listings_cache'] = False
    if not remote.startswith(_SCHEME) or not remote.strip('/')[len(_SCHEME) :]:
      raise errors.UsageError(
        f'--workdir={remote}: a run is kept in a local folder or in '
        f'{_SCHEME}BUCKET/NAME; on other stores its checkpoints would not be '
        'whole or absent'
      )
    self._store, self._root = fsspec.url_to_fs(remote.rstrip('/'))
    self.remote = epath.Path(remote)
    self._mark = mark
    self._lock = contextlib.ExitStack()
    folder = _own_folder(self._lock)
    delete = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
    processes.leaving.callback(delete)
    self.local = folder / self.remote.name
    self.local.mkdir()
    self._pulled: dict[str, object] = {}  # file -> version
    self._pushed: dict[str, object] = {}
    self.pull()
    self._pushed = self._here()

  def pull(self) -> None:
    """Downloads changes from the store."""
    there = self._there()
    new = [name for name in there if there[name] != self._pulled.get(name)]
    for name in new:
      (self.local / name).parent.mkdir(parents=True, exist_ok=True)
    with self._reported():
      self._store.get(self._urls(new), [str(self.local / name) for name in new])
    for name in self._pulled.keys() - there.keys():
      (self.local / name).unlink()
    self._pulled = there

  def push(self) -> None:
    """Uploads local changes, files before those that refer to them.

    So the store stays consistent if the process is killed in between.
    """
    here = self._here()
    changed = [name for name in here if here[name] != self._pushed.get(name)]
    with self._reported():
      for _, group in itertools.groupby(sorted(changed, key=_rank), key=_rank):
        names = list(group)
        files = [str(self.local / name) for name in names]
        self._store.put(files, self._urls(names))
      if gone := sorted(self._pushed.keys() - here.keys()):
        self._store.rm(self._urls(gone))
    self._pushed = here

  def clear(self, but: str) -> None:
    """Deletes all but one folder in the store, with its checkpoints.

    If that folder is there, the mark stays too: it identifies the rest.
    """
    mark, stays = (f'{self._root}/{name}' for name in (self._mark, but))
    with self._reported():
      there = self._store.find(self._root)
      gone = [url for url in there if not url.startswith(f'{stays}/')]
      rest = [url for url in gone if url != mark]
      marks = [mark] if mark in gone and len(gone) == len(there) else []
      for urls in (rest, marks):
        if urls:
          self._store.rm(urls)
    self._pushed = {}

  def _urls(self, names: list[str]) -> list[str]:
    return [f'{self._root}/{name}' for name in names]

  def _there(self) -> dict[str, object]:
    with self._reported():
      found = self._store.find(self._root, detail=True)
    named = {
      url.removeprefix(f'{self._root}/'): version
      for url, about in found.items()
      if (version := about.get('generation')) and not url.endswith('/')
    }
    if named and self._mark not in named:
      raise errors.UsageError(
        f'{self.remote} is not empty and holds no run (no {self._mark}); '
        'choose another --workdir, or delete it yourself'
      )
    return {name: named[name] for name in named if _is_copied(name)}

  def _here(self) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in self.local.rglob('*'):
      name = path.relative_to(self.local).as_posix()
      if path.is_file() and _is_copied(name):
        about = path.stat()
        found[name] = about.st_mtime_ns, about.st_size
    return found

  @contextlib.contextmanager
  def _reported(self) -> Iterator[None]:
    """Turns errors, which may be of any type, into one-line UserErrors."""
    try:
      yield
    except Exception as error:
      line = wording.first_line(error)
      raise errors.UserError(
        f'{self.remote}: {line}; fix that and run the same command again'
      ) from error


def _own_folder(until: contextlib.ExitStack) -> pathlib.Path:
  """Makes a temporary folder, locked until `until`; deletes stale ones."""
  parent = pathlib.Path(tempfile.gettempdir())
  for folder in parent.glob(f'{_OWN}*'):
    # Skips folders whose owner lives (locked) or is another user.
    with (
      contextlib.suppress(errors.UserError, OSError),
      lock.held(folder / _LOCK, 'works in it') as is_sure,
    ):
      if is_sure:
        shutil.rmtree(folder, ignore_errors=True)
  # Renamed once locked, so that no other process takes it for stale.
  fresh = pathlib.Path(tempfile.mkdtemp(prefix=f'{_NEW}{_OWN}'))
  until.enter_context(lock.held(fresh / _LOCK, 'works in it'))
  return fresh.rename(parent / fresh.name.removeprefix(_NEW))


def _is_copied(name: str) -> bool:
  parts = name.split('/')
  return _CHECKPOINTS not in parts[:-1] and name not in _NOT_COPIED


def _rank(name: str) -> int:
  """Upload order: images, the files that name them, then DONE."""
  path = pathlib.PurePosixPath(name)
  return 2 if path.name == 'DONE' else int(path.suffix != '.png')
