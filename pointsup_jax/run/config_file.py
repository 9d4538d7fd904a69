"""config.json, which ties a workdir to a config; locking runs."""

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from typing import Any, TypedDict

import ml_collections
import msgspec

from pointsup_jax import command, errors
from pointsup_jax.annotation import comments, oracle, schema
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.hosts import (
  atomic_files,
  json_files,
  lock,
  processes,
  progress,
  wording,
)
from pointsup_jax.run import context as run_lib
from pointsup_jax.run import provenance, recorded_fields
from pointsup_jax.run import workdir as workdir_lib

# Of config.json; incremented when fields are added, removed or redefined.
VERSION = 4
# What stage 1 does after its source-only phase.
METHOD = 'method'
# The first stage whose result depends on a field, or `METHOD`, by longest
# matching prefix. None: no result depends on it.
_DECIDES: dict[str, str | None] = {
  '': 'uda',
  'uda': METHOD,
  'uda.source_only_steps': 'uda',
  'losses': METHOD,
  'losses.aux': 'uda',
  'model.discriminator_width': METHOD,
  'optim.discriminator_lr': METHOD,
  'optim.translator_lr': METHOD,
  'acquire': 'acquire',
  'acquire.batch_size': None,
  'annotate': 'annotate',
  # Answers may arrive in several files; the store keeps them.
  'annotate.answers': None,
  'annotate.whole_images': 'adapt',
  'annotate.image_seconds': None,
  'annotate.host': None,
  'annotate.port': None,
  'annotate.allow_remote': None,
  'annotate.public_url': None,
  # May change during labelling: only the answers themselves matter.
  'annotate.overlap': None,
  'adapt': 'adapt',
  'adapt.allow_partial': None,
  'evaluate': None,
  'evaluate.model': 'acquire',  # it asks for the points
  'data.evaluation': None,
  'data.root': None,
  'data.prepared': None,
  'data.source.root': None,
  'data.target.root': None,
  'data.threads': None,
  # Recorded so that predictions can be shown without the classes' file.
  'palette': None,
  'train.log_every': None,
  'train.checkpoint_every': None,
  'train.keep': None,
  'train.keep_every': None,
  # Only affects runs that would otherwise fail.
  'train.on_nan': None,
}
# May grow once stage 2 has asked: what is more is asked then.
GROWING = ('acquire.k', 'acquire.n', 'acquire.budget', 'acquire.rounds')


class _Recorded(TypedDict):
  """What is read of config.json."""

  version: Any
  config: dict[str, Any]


@contextlib.contextmanager
def locked(workdir: workdir_lib.Workdir) -> Iterator[None]:
  """Locks the run within the block; a run in an object store has no lock.

  Raises:
    errors.UsageError: the folder is not empty and holds no run.
    errors.UserError: another command holds the lock, or writing fails.
  """
  if not processes.is_first():
    yield
    return
  refuse_others(workdir)
  if workdir.mirror:
    progress.say(
      f'{workdir} cannot be locked: take care that no other command works there'
    )
  try:
    workdir.root.mkdir(parents=True, exist_ok=True)
    with lock.held(
      workdir.lock,
      'is at work on this run; wait for it, stop it, or choose another '
      '--workdir',
    ):
      yield
  except OSError as error:  # its message often names no file
    raise errors.UserError(
      f'{error}, in {workdir}; fix that and run the same command again'
    ) from error


def claim(
  workdir: workdir_lib.Workdir,
  config: ml_collections.ConfigDict,
  classes: classes_lib.ClassSet,
  devices: str = '',
) -> None:
  """Writes config.json after checking the config with `require_same`.

  For `devices` see `provenance.describe`.
  """
  fields = require_same(workdir, config, classes)
  json_files.write(
    workdir.config,
    {
      'version': VERSION,
      'config': fields,
      **provenance.describe(workdir, devices),
    },
  )


def require_same(
  workdir: workdir_lib.Workdir,
  config: ml_collections.ConfigDict,
  classes: classes_lib.ClassSet,
) -> dict[str, object]:
  """Returns the fields and classes for config.json, if the workdir fits them.

  A field may change until the first stage that depends on it has started, and
  those of `GROWING` may grow after it; else raises errors.UsageError, as for a
  non-empty folder without a run.
  """
  # The classes' file may change under the same path.
  fields = command.flatten(config) | {
    'classes': list(classes.names),
    'ignore_id': classes.ignore_id,
    'palette': [list(color) for color in classes.palette],
  }
  if workdir.config.exists():
    known = recorded(workdir)
    changed = [
      name
      for name in sorted(known.keys() | fields.keys())
      if known.get(name) != fields.get(name)
      and _too_late(workdir, name)
      and name not in grown(known, fields)
    ]
    if changed:
      differences = '; '.join(
        f'{name} was {known.get(name)!r}, now {fields.get(name)!r}'
        for name in changed
      )
      raise errors.UsageError(
        f'{workdir} was started with another config: {differences}. '
        f'{_way_out(workdir, changed)}'
      )
  else:
    refuse_others(workdir)
  return fields


def _way_out(workdir: workdir_lib.Workdir, changed: list[str]) -> str:
  if {decides(field) for field in changed} == {'adapt'}:
    folder = workdir.kept(workdir.root / 'adapt')
    return (
      f'Delete {folder} to train stage 3 anew with the same answers, or choose '
      'another --workdir'
    )
  given = given_by_people(workdir)
  keeping = (
    f', which starts anew and keeps the {given} that people gave'
    if given
    else ''
  )
  if not set(changed).isdisjoint(GROWING):
    fields = ', '.join(GROWING)
    return (
      f'Once stage 2 has asked, {fields} may only grow, and a budget must stay '
      f'one. Choose another --workdir, or --overwrite{keeping}'
    )
  return f'Choose another --workdir, or --overwrite{keeping}'


def grown(known: dict[str, Any], fields: dict[str, Any]) -> list[str]:
  """The fields of `GROWING` that ask for more; none if one asks for less."""
  if bool(known.get('acquire.budget')) != bool(fields.get('acquire.budget')):
    return []
  found = []
  for name in GROWING:
    old, new = known.get(name), fields.get(name)
    if type(old) is not int or type(new) is not int or new < old:
      return []
    if new > old:
      found.append(name)
  return found


def recorded(workdir: workdir_lib.Workdir) -> dict[str, Any]:
  """Returns the fields and classes in config.json.

  Raises errors.UsageError if it is damaged or of another version.
  """
  known = _content(workdir)
  if known['version'] != VERSION:
    raise errors.UsageError(
      f'{workdir.kept(workdir.config)} has version {known["version"]!r} but '
      f'this program reads version {VERSION}; use the program that wrote it, '
      'choose another --workdir, or --overwrite, which starts anew and keeps '
      'what people answered'
    )
  return known['config']


def recorded_classes(workdir: workdir_lib.Workdir) -> list[str]:
  """The names of a run's classes, of any version: its answers outlast it.

  Raises errors.UsageError if config.json is damaged.
  """
  names = _content(workdir)['config'].get('classes')
  if not isinstance(names, list) or not all(isinstance(x, str) for x in names):
    raise errors.UsageError(f'{workdir.config} is damaged: it lists no classes')
  return names


def _content(workdir: workdir_lib.Workdir) -> _Recorded:
  try:
    return msgspec.convert(json.loads(workdir.config.read_bytes()), _Recorded)
  except (ValueError, RecursionError) as error:
    raise errors.UsageError(
      f"{workdir.kept(workdir.config)} is damaged or not a run's config "
      f'({error}); choose another --workdir'
    ) from error


def given_by_people(workdir: workdir_lib.Workdir) -> str:
  """'4 answers and 2 comments' of people; '' if they gave neither.

  Raises errors.UserError if the store cannot be read.
  """
  if not workdir.annotations.exists():
    return ''
  with store_lib.Store(
    workdir.annotations, connect=schema.connect_to_copy
  ) as store:
    answers = store.count_by_others(oracle.NAME)
    remarks = len(comments.Comments(store.database).all())
  counts = ((answers, 'answer'), (remarks, 'comment'))
  return ' and '.join(
    f'{count:,} {what}{"s" if count > 1 else ""}'
    for count, what in counts
    if count
  )


def refuse_others(workdir: workdir_lib.Workdir) -> None:
  """Raises errors.UsageError for a non-empty folder without a run."""
  # Left behind by an interrupted start or by --overwrite.
  ours = (workdir.lock, atomic_files.part_of(workdir.config), workdir.earlier)
  if not workdir.root.exists():
    return
  others = [path for path in workdir.root.iterdir() if path not in ours]
  # Checked last: a command starting concurrently writes the config first.
  if others and not workdir.config.exists():
    raise errors.UsageError(
      f'{workdir} is not empty and holds no run (no config.json); choose '
      'another --workdir, or delete it yourself'
    )


def decides(field: str) -> str | None:
  """The first stage whose result depends on a field, or `METHOD`, or None."""
  parts = field.split('.')
  prefixes = ('.'.join(parts[:n]) for n in range(len(parts), -1, -1))
  return next(_DECIDES[prefix] for prefix in prefixes if prefix in _DECIDES)


def _too_late(workdir: workdir_lib.Workdir, field: str) -> bool:
  stage = decides(field)
  if stage == METHOD:
    return workdir.method_started
  return stage is not None and workdir.started(stage)


def reopen(workdir: workdir_lib.Workdir) -> run_lib.Run:
  """Opens the run in a workdir, at its last round.

  Raises errors.UsageError if there is none or its config.json is damaged.
  """
  if not workdir.config.is_file():
    raise errors.UsageError(
      f'{workdir} holds no run: there is no {workdir.kept(workdir.config)}'
    )
  fields = recorded(workdir)
  try:
    config, classes = recorded_fields.read(fields)
  except (errors.UserError, ValueError, LookupError, TypeError) as error:
    raise errors.UsageError(
      f"{workdir.kept(workdir.config)} is damaged or not a run's config "
      f'({wording.described(error)})'
    ) from error
  rounds = config.acquire.rounds
  at_end = dataclasses.replace(workdir, rounds=rounds, round=rounds)
  return run_lib.Run(config=config, workdir=at_end, classes=classes)
